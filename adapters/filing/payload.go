package filing

import (
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/chartwire/chartwire/adapters/filing/transcript"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

// TextTitle is the title of the attachment that carries a message's words where a FHIR string cannot.
const TextTitle = "message text"

// content is what a message says, as payloads, with the hashes the chart must show for it.
type content struct {
	payload     []r4.Payload
	binaries    []binary
	text        string   // hex SHA-256 of the words, "" for none
	attachments []string // hex SHA-256 of each attachment the entry carries
}

// content makes a message's payloads: the exact words first, then each attachment inline, as a Binary of the same
// transaction, or named (DESIGN §5). binaries says whether Binaries may be made.
func (p *planner) content(id connector.Identifier, m connector.Message, at time.Time, binaries bool) (content, error) {
	var c content
	if m.Text != "" {
		if !utf8.ValidString(m.Text) {
			return c, refuse(connector.GateRefused, "the message's words are not UTF-8, so no FHIR entry can hold them exactly")
		}
		c.payload = append(c.payload, textPayload(m.Text, at))
		c.text = connector.Hash([]byte(m.Text))
	}
	for i, a := range m.Attachments {
		kind, size := contentType(a.ContentType), int64(len(a.Data))
		switch {
		case size > 0 && size <= p.policy.InlineBytes:
			c.payload = append(c.payload, r4.AttachmentPayload(r4.NewAttachment(kind, a.Data, title(a), at)))
			c.attachments = append(c.attachments, connector.Hash(a.Data))
		case size > 0 && binaries && p.traits.Transaction && !p.policy.NoBinary:
			name := id.Token() + "#attachment/" + strconv.Itoa(i+1)
			c.binaries = append(c.binaries, binary{name, r4.NewBinary(kind, a.Data, connector.SymPatient)})
			linked := r4.LinkedAttachment(kind, r4.URN(name), title(a), int(size), at)
			linked.Hash = r4.String(r4.AttachmentHash(a.Data))
			c.payload = append(c.payload, r4.AttachmentPayload(linked))
			c.attachments = append(c.attachments, connector.Hash(a.Data))
		default:
			c.payload = append(c.payload, r4.StringPayload("Attachment not included: "+transcript.File(a)))
		}
	}
	return c, nil
}

// textPayload carries text as it is: a string where FHIR can hold it, else a text/plain attachment of its bytes.
func textPayload(text string, at time.Time) r4.Payload {
	if r4.CarriableString(text) {
		return r4.StringPayload(text)
	}
	return r4.AttachmentPayload(r4.NewAttachment(r4.ContentTypePlain, []byte(text), TextTitle, at))
}

// wordsHash is what the chart must show of a message's words, "" where it has none.
func wordsHash(m connector.Message) string {
	if m.Text == "" {
		return ""
	}
	return connector.Hash([]byte(m.Text))
}

func title(a connector.Attachment) string { return firstNonEmpty(clean(a.Filename), clean(a.ID)) }
