package filing

import (
	"strconv"
	"strings"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

// Names makes the identifiers of one channel's entries (DESIGN §5, Identity). They never change once anything is filed.
type Names struct {
	Base    string // identity.base
	Channel string
}

func (n Names) system(kind string) string {
	return strings.TrimSuffix(n.Base, "/") + "/" + n.Channel + "/" + kind
}

// Message identifies a revision of a message: value thread/message, corrections thread/message/r2, r3 …
func (n Names) Message(thread, message string, revision int) connector.Identifier {
	return connector.Identifier{System: n.system("message"), Value: MessageValue(thread, message, revision)}
}

// MessageValue is the value of a message revision's identifier; connector.SymMessage makes its symbol.
func MessageValue(thread, message string, revision int) string {
	value := thread + "/" + message
	if revision > 1 {
		value += "/r" + strconv.Itoa(revision)
	}
	return value
}

// NotDelivered identifies the entry that says a message did not reach its recipient.
func (n Names) NotDelivered(thread, message string) connector.Identifier {
	return connector.Identifier{System: n.system("message"), Value: MessageValue(thread, message, 1) + "/not-delivered"}
}

// Retracted identifies the document that says a message was retracted, or only that revision of it.
func (n Names) Retracted(thread, message string, revision int) connector.Identifier {
	return connector.Identifier{System: n.system("message"), Value: MessageValue(thread, message, revision) + "/retracted"}
}

// Transcript identifies a version of a thread's transcript. The version is always named, so that no thread's id can be taken
// for another thread's version.
func (n Names) Transcript(thread string, version int) connector.Identifier {
	return connector.Identifier{System: n.system("transcript"), Value: thread + "/v" + strconv.Itoa(version)}
}

// Attachment identifies the n-th file of a message revision, from 1, where it is an entry of its own.
func (n Names) Attachment(thread, message string, revision, file int) connector.Identifier {
	return connector.Identifier{System: n.system("attachment"), Value: MessageValue(thread, message, revision) + "/" + strconv.Itoa(file)}
}

// Cancelled identifies the word that a revision's document is cancelled.
func (n Names) Cancelled(thread, message string, revision int) connector.Identifier {
	return connector.Identifier{System: n.system("message"), Value: MessageValue(thread, message, revision) + "/cancelled"}
}

// Header identifies a thread's header.
func (n Names) Header(thread string) connector.Identifier {
	return connector.Identifier{System: n.system("thread"), Value: thread}
}

// Request identifies a CommunicationRequest of ours by its ULID.
func (n Names) Request(id string) connector.Identifier {
	return connector.Identifier{System: n.system("request"), Value: id}
}

// Task identifies the Task of a spell of work by its ULID.
func (n Names) Task(id string) connector.Identifier {
	return connector.Identifier{System: n.system("task"), Value: id}
}

// Participant identifies a person by the channel's id, or by the channel's identifier for them where it gave no id.
func (n Names) Participant(key string) connector.Identifier {
	return connector.Identifier{System: n.system("participant"), Value: key}
}

// ChannelSystem is the system of medium codings that name a channel of ours: {base}/channel|<name>.
func ChannelSystem(base string) string { return strings.TrimSuffix(base, "/") + "/channel" }

// CategorySystem is the system of our category codes.
func CategorySystem(base string) string { return strings.TrimSuffix(base, "/") + "/category" }

func (p *planner) messageID() connector.Identifier {
	return p.ids.Message(p.x.Thread.ID, p.x.Message.ID, max(p.x.Revision, 1))
}

// messageSymbol is the symbol of a revision's chart entry.
func (p *planner) messageSymbol(message string, revision int) string {
	return connector.SymMessage(MessageValue(p.x.Thread.ID, message, revision))
}

func identifier(id connector.Identifier) r4.Identifier { return r4.NewIdentifier(id.System, id.Value) }
