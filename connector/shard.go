package connector

// Shard names the order of commits a thread belongs to: everything about one channel thread shares it, whoever commits.
func Shard(ehr, channel, ext string) string { return ehr + "|" + channel + "|" + ext }
