package filing

import (
	"fmt"
	"slices"
	"strings"

	"github.com/chartwire/chartwire/adapters/filing/transcript"
	"github.com/chartwire/chartwire/connector"
)

// Loss is one thing an exchange says that the chart will not show as the exchange has it. What is a stable word for
// machines; Text is one sentence for people. Text may name a file of the platform, so it is as much PHI as the exchange.
type Loss struct {
	What string `json:"what"`
	Text string `json:"text"`
}

// The words of Loss.What.
const (
	LostMessage    = "message"    // nothing of it is filed
	LostWords      = "words"      // the entry does not hold the exact words
	LostAttachment = "attachment" // a file does not travel with the entry
	LostSender     = "sender"
	LostRecipients = "recipients"
	LostPriority   = "priority"
	LostReply      = "in-response-to"
	LostLanguage   = "language"
	LostDelivery   = "delivery" // later news does not change the entry
	LostRead       = "read"
	LostThread     = "thread"
	LostAbout      = "about"
	LostInternal   = "internal-note"
	LostCorrection = "correction"
	LostRetraction = "retraction"
	LostReceipt    = "receipt" // nothing proves what the chart shows
	LostProof      = "proof"   // nothing is written until a probe has proven that it works
)

// Lost says what of x the chart will not show once writes are filed. writes is the whole plan of x, with its symbols; none
// where x was left out or refused. It is pure, and knows no EHR: it reads what the writes hold, so it is as true for a
// strategy added later. An empty list means that everything an exchange can say has its place.
func Lost(x connector.Exchange, writes []connector.Write, traits connector.Traits) []Loss {
	l := &losses{x: x, writes: writes, traits: traits, chart: shownBy(writes)}
	switch x.Kind {
	case connector.ItemHeader:
		l.header()
	case connector.ItemClose, connector.ItemReopen:
		if len(writes) == 0 {
			l.add(LostThread, "That the thread was closed or reopened is not shown.")
		}
	case connector.ItemExchange:
		if l.message() {
			l.conversation()
		}
	case connector.ItemCorrection:
		if l.message() && !l.chart.replaces {
			l.add(LostCorrection, "The correction is an entry of its own: the earlier words stay beside it.")
		}
	case connector.ItemRetraction:
		l.retraction()
	case connector.ItemStatus:
		l.news()
	}
	if len(writes) > 0 && len(traits.Unproven) > 0 {
		l.add(LostProof, "Nothing of this is written before a probe has proven %s on this connection: chartwire doctor --ehr NAME --probe.", strings.Join(traits.Unproven, ", "))
	}
	if len(writes) > 0 && traits.Echo == connector.EchoNone {
		l.add(LostReceipt, "The EHR shows nothing back: what the chart shows stays unverified.")
	}
	return l.found
}

type losses struct {
	x      connector.Exchange
	writes []connector.Write
	traits connector.Traits
	chart  shown
	found  []Loss
}

func (l *losses) add(what, format string, args ...any) {
	l.found = append(l.found, Loss{what, fmt.Sprintf(format, args...)})
}

func (l *losses) header() {
	if len(l.writes) == 0 {
		l.add(LostThread, "The thread is not on the chart as a whole: each entry stands by itself.")
	}
	n := 0
	for _, about := range l.x.Thread.About {
		if !l.chart.values[about] {
			n++
		}
	}
	if n > 0 {
		l.add(LostAbout, "%s the thread is about %s not shown.", counted(n, "thing"), isAre(n))
	}
}

// message compares what was said, and by and to whom. false says that nothing of it is filed.
func (l *losses) message() bool {
	m := l.x.Message
	switch {
	case len(l.writes) == 0 && m.Direction == connector.Internal:
		l.add(LostInternal, "The internal note is left out of the chart.")
		return false
	case len(l.writes) == 0:
		l.add(LostMessage, "Nothing of this message is put on the chart.")
		return false
	case m.Text != "" && !l.chart.words[connector.Hash([]byte(m.Text))]:
		l.add(LostWords, "The chart does not hold the exact words.")
	}
	for _, a := range m.Attachments {
		l.attachment(a)
	}
	l.people()
	if m.Language != "" && !slices.Contains(l.chart.strings("language"), m.Language) {
		l.add(LostLanguage, "The language (%s) is not shown.", clean(m.Language))
	}
	p := connector.Priority(firstNonEmpty(string(m.Priority), string(l.x.Thread.Priority)))
	if p.Rank() > 0 && !slices.Contains(l.chart.strings("priority"), string(p)) {
		l.add(LostPriority, "The priority (%s) is not shown.", p)
	}
	return true
}

func (l *losses) attachment(a connector.Attachment) {
	name, sum := firstNonEmpty(title(a), "unnamed"), a.SHA256
	if len(a.Data) > 0 {
		sum = connector.Hash(a.Data)
	}
	switch {
	case len(a.Data) > 0 && l.chart.files[sum]:
	case sum != "" && strings.Contains(l.chart.text, sum), strings.Contains(l.chart.text, transcript.File(a)):
		l.add(LostAttachment, "The file %s (%s) is not included: the entry names it, the file stays on the platform.", name, contentType(a.ContentType))
	default:
		l.add(LostAttachment, "The file %s (%s) is not included and not named.", name, contentType(a.ContentType))
	}
}

// people says who is there as text only, or not at all.
func (l *losses) people() {
	m := l.x.Message
	switch who := l.chart.author(); {
	case who == "" && strings.Contains(l.chart.text, transcript.Person(m.Sender)):
		l.add(LostSender, "Who sent it stands in the text only.")
	case who == "":
		l.add(LostSender, "Who sent it is not shown.")
	case who == "Organization" && m.Sender.Role != connector.RoleSystem:
		l.add(LostSender, "The sender is shown as the clinic.")
	}
	text, gone := 0, 0
	for i, r := range m.Recipients {
		switch {
		case i < l.chart.recipients:
		case strings.Contains(l.chart.text, transcript.Person(r)):
			text++
		default:
			gone++
		}
	}
	if text > 0 {
		l.add(LostRecipients, "%s %s in the text only.", counted(text, "recipient"), map[bool]string{true: "stands", false: "stand"}[text == 1])
	}
	if gone > 0 {
		l.add(LostRecipients, "%s %s not shown.", counted(gone, "recipient"), isAre(gone))
	}
}

// conversation compares what ties a message to the one it answers, and to what became of it.
func (l *losses) conversation() {
	m := l.x.Message
	ids := Names{Base: l.x.Base, Channel: l.x.Channel}
	if m.InReplyTo != "" && !l.tells(m.InReplyTo) && !l.chart.names(ids.Message(l.x.Thread.ID, m.InReplyTo, 1)) {
		l.add(LostReply, "Which message it answers is not shown.")
	}
	if m.Direction != connector.ToPatient {
		return
	}
	if l.x.Receipts && !l.traits.Update && l.x.Delivery.State != connector.Failed {
		l.add(LostDelivery, "Delivery is shown as it stood when the entry was made: later news does not change it.")
	}
	l.read()
}

// tells says whether a transcript tells a message, by whose number it then says what answers it.
func (l *losses) tells(message string) bool {
	return l.x.Transcript != nil && slices.ContainsFunc(l.x.Transcript.Told, func(t connector.Told) bool {
		return t.Message.ID == message && t.Message.Direction != connector.Internal
	})
}

func (l *losses) read() {
	if l.x.Delivery.State == connector.Read && !strings.Contains(l.chart.text, transcript.WasRead) {
		l.add(LostRead, "That the message was read is not shown.")
	}
}

func (l *losses) retraction() {
	switch {
	case len(l.x.Revisions) == 0, l.chart.inError:
	case len(l.writes) == 0:
		l.add(LostRetraction, "The retraction is not shown: the entry stays as it is until staff mark it.")
	default:
		l.add(LostRetraction, "The retraction is an entry of its own: what it takes back is not marked as entered in error.")
	}
}

// news is of a message whose entry may say the same already.
func (l *losses) news() {
	d, charted := l.x.Delivery.State, l.x.Charted.State
	if l.x.Message.Direction != connector.ToPatient || charted == "" || d == charted {
		return
	}
	switch {
	case l.chart.updates:
	case len(l.writes) > 0:
		l.add(LostDelivery, "The entry itself is not changed: one of its own says what happened.")
	case !l.traits.Update:
		l.add(LostDelivery, "The entry is not changed: it goes on saying how far the message had got.")
	}
	l.read()
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}
