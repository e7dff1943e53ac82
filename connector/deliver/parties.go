package deliver

import "github.com/chartwire/chartwire/connector"

// party is somebody an exchange names; ours says that we named them.
type party struct {
	connector.Participant
	ours bool
}

// parties are who an exchange names: in a message, in all those a transcript tells, or in a task.
func parties(x *connector.Exchange) []party {
	if x.Task != nil {
		owner, _ := x.Task.Owner()
		requester, _ := x.Task.Requester()
		return []party{{owner, true}, {requester, true}}
	}
	messages := []connector.Message{x.Message}
	if x.Transcript != nil {
		messages = nil
		for _, t := range x.Transcript.Told {
			messages = append(messages, t.Message)
		}
	}
	var out []party
	for _, m := range messages {
		for _, p := range append([]connector.Participant{m.Sender}, m.Recipients...) {
			out = append(out, party{p, m.ClientID != ""})
		}
	}
	return out
}
