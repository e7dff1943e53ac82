package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// rules checks what concerns more than one key. It runs on whatever was decoded, so a value that was refused before may
// be zero here and is not complained about again.
func (l *loader) rules(c *Config) {
	l.serverRules(&c.Server)
	l.storeRules(&c.Store)
	l.parkedRules(&c.Parked)
	l.alertRules(&c.Alerts)
	if c.EHRs != nil && len(c.EHRs) == 0 {
		l.mistake("$.ehrs", "is empty; add at least one EHR connection")
	}
	if len(c.Channels) == 0 {
		l.warn("$.channels", "no channel: nothing will come in; add one when the platform is known")
	}
	l.unique(c)
	for i := range c.EHRs {
		l.ehrRules(&c.EHRs[i], index("$.ehrs", i))
	}
	for i := range c.Channels {
		l.channelRules(c, &c.Channels[i], index("$.channels", i))
	}
	for i, p := range c.Pools {
		l.knownEHR(c, p.EHR, index("$.pools", i)+".ehr")
	}
	for i, p := range c.People {
		l.knownEHR(c, p.EHR, index("$.people", i)+".ehr")
	}
	l.templateRules(c)
	for i, t := range c.API.Tokens {
		l.knownEHR(c, t.EHR, index("$.api.tokens", i)+".ehr")
	}
}

// serverRules keeps console, metrics and health off public addresses.
func (l *loader) serverRules(s *Server) {
	host, port, err := net.SplitHostPort(s.ConsoleListen)
	if err != nil {
		return
	}
	const path = "$.server.console_listen"
	if s.ConsoleListen == s.Listen && port != "0" {
		l.mistake(path, "is the public listener's address; write another port")
		return
	}
	addr, err := netip.ParseAddr(host)
	switch {
	case err != nil && host != "":
		return // a host name: what it stands for is the administrator's network
	case host == "" || addr.IsUnspecified():
		l.warn(path, "listens on every interface; write a loopback or private address, or keep it closed in the firewall")
	case !addr.IsLoopback() && !addr.IsPrivate() && !addr.IsLinkLocalUnicast():
		l.mistake(path, "is a public address; write a loopback or private one")
	}
}

func (l *loader) storeRules(s *Store) {
	if s.Password.IsSet() && s.Engine() == SQLite {
		path := "$.store.password"
		if s.Password.File != "" {
			path = fileKey(path)
		}
		l.mistake(path, "is for Postgres; remove it, SQLite has no password")
	}
	const path = "$.store.migrate_url"
	own, err := url.Parse(s.URL)
	by, err2 := url.Parse(s.MigrateURL)
	switch {
	case s.MigrateURL == "" || err != nil || err2 != nil:
		if s.MigrateURL == "" && s.MigratePassword.IsSet() {
			l.mistake("$.store.migrate_password", "is for store.migrate_url, which is not given; write that, or remove it")
		}
	case s.Engine() == SQLite:
		l.mistake(path, "is for Postgres; remove it, SQLite has no roles")
	case strings.HasPrefix(s.MigrateURL, sqliteScheme):
		l.mistake(path, "is no Postgres database; write postgres://owner@host:5432/database")
	case own.User.Username() == by.User.Username():
		l.mistake(path, "names the role of store.url; write the role that owns the schema, another one, or remove it")
	case own.Host != by.Host || own.Path != by.Path:
		l.warn(path, "names another server or database than store.url; that is right only where both are ways to the same one")
	}
}

// alertRules wants a secret with the address, and a good one.
func (l *loader) alertRules(a *Alerts) {
	switch {
	case a.URL == "" && a.Secret.IsSet():
		l.mistake("$.alerts", "has a secret and no url; write url, or remove the secret")
	case a.URL != "" && !a.Secret.IsSet():
		l.mistake("$.alerts", "has a url and no secret; write secret_file with one whsec_ of 24 to 64 random bytes")
	}
	if a.Secret.IsSet() && !a.Secret.Missing() {
		l.webhookSecrets(a.Secret, "$.alerts")
	}
}

// unique reports names that are used twice. Pools and people are named per EHR, since every platform has its own ids.
func (l *loader) unique(c *Config) {
	check := func(what, list, key string, n int, name func(i int) string) {
		first := map[string]int{}
		for i := range n {
			v := name(i)
			if v == "" {
				continue
			}
			if before, twice := first[v]; twice {
				path := index(list, i) + "." + key
				l.mistake(path, fmt.Sprintf("%s is used twice, first on line %d; give each its own", what, l.place(index(list, before)+"."+key).line))
				continue
			}
			first[v] = i
		}
	}
	perEHR := func(ehr, id string) string {
		if id == "" {
			return ""
		}
		return ehr + "\x00" + id
	}
	check("this EHR name", "$.ehrs", "name", len(c.EHRs), func(i int) string { return c.EHRs[i].Name })
	check("this channel name", "$.channels", "name", len(c.Channels), func(i int) string { return c.Channels[i].Name })
	check("this pool id", "$.pools", "id", len(c.Pools), func(i int) string { return perEHR(c.Pools[i].EHR, c.Pools[i].ID) })
	check("this person id", "$.people", "id", len(c.People), func(i int) string { return perEHR(c.People[i].EHR, c.People[i].ID) })
	check("this template id", "$.templates", "id", len(c.Templates), func(i int) string { return perEHR(c.Templates[i].EHR, c.Templates[i].ID) })
	check("this token name", "$.api.tokens", "name", len(c.API.Tokens), func(i int) string { return c.API.Tokens[i].Name })
	check("this token hash", "$.api.tokens", "sha256", len(c.API.Tokens), func(i int) string { return c.API.Tokens[i].SHA256 })
}

// knownEHR checks a reference to an EHR connection by name.
func (l *loader) knownEHR(c *Config, name, path string) bool {
	if name == "" || c.EHR(name) != nil {
		return name != ""
	}
	names := make([]string, 0, len(c.EHRs))
	for _, e := range c.EHRs {
		if e.Name == "" {
			return false // that one has been refused, and may be the one meant
		}
		names = append(names, e.Name)
	}
	l.mistake(path, fmt.Sprintf("there is no EHR %s; write one of the names under ehrs%s", quote(name), listNames(names, name)))
	return false
}

// listNames shows a few known names after a sentence, the nearest first.
func listNames(names []string, word string) string {
	if near := nearest(word, names); near != "" {
		return " (did you mean " + near + "?)"
	}
	const most = 8
	if len(names) == 0 || len(names) > most {
		return ""
	}
	out := ""
	for i, n := range slices.Sorted(slices.Values(names)) {
		if i > 0 {
			out += ", "
		}
		out += clip(n)
	}
	return ": " + out
}

// urlHost is the host of a URL that was already checked, or "".
func urlHost(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

func (l *loader) channelRules(c *Config, ch *Channel, path string) {
	known := l.knownEHR(c, ch.EHR, path+".ehr")
	var pools []string
	for _, p := range c.Pools {
		if p.EHR == ch.EHR {
			pools = append(pools, p.ID)
		}
	}
	switch {
	case !known:
	case ch.DefaultPool != "" && !slices.Contains(pools, ch.DefaultPool):
		l.mistake(path+".default_pool", fmt.Sprintf("EHR %s has no pool %s; write the id of one of its pools%s", ch.EHR, quote(ch.DefaultPool), listNames(pools, ch.DefaultPool)))
	case ch.DefaultPool == "" && len(pools) > 0 && c.EHR(ch.EHR).Launch != nil:
		l.mistake(path, fmt.Sprintf("has no default_pool: what comes and names no pool of EHR %s would wait in nobody's work list; write the id of one of its pools%s", ch.EHR, listNames(pools, "")))
	}
	if ch.Type == Webhook {
		if ch.SendURL == "" && !l.given(path+".send_url") {
			l.warn(path+".send_url", "no send_url: replies cannot be sent on this channel; add the address the platform takes messages at")
		}
		l.webhookSecrets(ch.Secret, path)
	}
}

// webhookSecrets checks the whsec_ lines of a webhook channel.
func (l *loader) webhookSecrets(s Secret, path string) {
	if s.Reveal() == "" {
		return
	}
	path += ".secret"
	if s.File != "" {
		path = fileKey(path)
	}
	lines := s.Secrets()
	if len(lines) > 2 {
		l.mistake(path, fmt.Sprintf("holds %d secrets; keep one, or two while rotating", len(lines)))
	}
	for i, line := range lines {
		if _, err := WebhookKey(line); err != nil {
			l.mistake(path, fmt.Sprintf("secret %d %v; write whsec_ and the base64 of 24 to 64 random bytes, one a line", i+1, err))
		}
	}
	if len(lines) == 2 && lines[0] == lines[1] {
		l.mistake(path, "holds the same secret twice; keep one")
	}
}
