package ingest

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/oklog/ulid/v2"

	"github.com/chartwire/chartwire/connector"
)

// Draft is a message of ours before it is committed: a reply in a thread, or the first of a new thread about a patient.
type Draft struct {
	Channel Channel
	// ThreadID is our id of the thread replied in; "" begins a new one about Patient, with Subject, Topic and the message's
	// Priority. Patient should hold every identifier known in the channel's own systems, since consent is looked for by them.
	ThreadID string
	// ThreadExt is the platform's id of the thread, where our own is not at hand; a thread that is not known is begun anew.
	ThreadExt string
	Patient   connector.PatientKey
	Subject   string
	Topic     string
	// Message gives Sender, Recipients, Text, Attachments (with Data), Language, InReplyTo, Priority and, if set, SentAt.
	// The rest is ours to set.
	Message connector.Message
	// Phones holds recipients' numbers (E.164) by Participant.Key, for consent given by number; the patient's own is taken
	// from Patient where it is missing here.
	Phones map[string]string
	// Born is the EHR's reference of the CommunicationRequest this answers, BornVersion the version it was read at. Such a
	// request is claimed in the same commit, once, ever. What keeps it from being sent is not an error then: the request is
	// claimed and a notice parked.
	Born, BornVersion string
	Refusal           connector.Reason // with Born: it must not be sent, and why
	Due               time.Time        // not sent before; zero is at once
	// Encounter is the EHR's reference of the encounter the message was written in, by the EHR's own launch; "" for none. Filing
	// makes sure that it is the patient's.
	Encounter string
	// Heard is how many messages of the patient's side the writer of a reply had been shown (Heard of the thread then): what came since
	// waits on for an answer. nil answers all there is by the time of the commit.
	Heard *int
	Agent string // api:TOKENNAME, worker
	ActAs string // EHR reference of whom the agent acts as, "" for none
	// IdempotencyKey makes a repeated call give the first one's answer; "" makes every call a new message.
	IdempotencyKey string
}

// Composed names a committed message of ours. Its ids are ours.
type Composed struct {
	Thread  string
	Message string           // the message row
	Client  string           // client_message_id, and the id of its CommunicationRequest
	Item    string           // its send item
	Repeat  bool             // composed before, by the same idempotency key or for the same request
	Refused connector.Reason // it was parked as a notice, which Item then is, and will not go out; "" was composed
}

// ConsentError says that a message may not be sent to a recipient. A parked notice for the pool was committed instead.
type ConsentError struct {
	Reason connector.Reason // ConsentRevoked or ConsentMissing
	Item   string           // the notice
}

func (e *ConsentError) Error() string { return "not sent: " + e.Reason.Sentence() }

// ErrKeyReused says that an idempotency key came a second time with another message. Nothing was done; the caller has to
// choose another key.
var ErrKeyReused = fmt.Errorf("the idempotency key was used for another message")

const (
	maxText  = 20000 // characters; the event contract's limit, which an echo has to fit
	maxFiles = 10
)

// check holds a draft to what the send and event contracts can carry. Pointers are those of the message as JSON.
func (d *Draft) check() error {
	m := &d.Message
	switch {
	case d.ThreadID == "" && d.ThreadExt == "" && d.Patient.IsZero():
		return wrong("/patient", "a new thread needs a patient")
	case m.Text == "" && len(m.Attachments) == 0:
		return wrong("/text", "want text or attachments")
	case !utf8.ValidString(m.Text):
		return wrong("/text", "this is not valid UTF-8")
	case utf8.RuneCountInString(m.Text) > maxText:
		return wrong("/text", "longer than "+strconv.Itoa(maxText)+" characters")
	case len(m.Attachments) > maxFiles:
		return wrong("/attachments", "more than "+strconv.Itoa(maxFiles))
	}
	if !slices.Contains([]connector.Role{connector.RoleClinician, connector.RoleStaff, connector.RolePool, connector.RoleSystem}, m.Sender.Role) {
		return wrong("/sender/role", "this role cannot send to a patient")
	}
	if d.Encounter != "" && !encounter.MatchString(d.Encounter) {
		return wrong("/encounter", "want Encounter/ and its id in the EHR")
	}
	if _, err := d.message("", time.Time{}, ""); err != nil {
		return err
	}
	return d.checkRecipients()
}

func (d *Draft) checkRecipients() error {
	persons := 0
	for i, r := range d.Message.Recipients {
		if r.Role == connector.RolePatient || r.Role == connector.RoleProxy {
			persons++
		}
		if r.ID == "" && r.Identifier == nil && r.Role != connector.RoleSystem {
			return wrong("/recipients/"+strconv.Itoa(i), "want id or identifier")
		}
	}
	if persons == 0 {
		return wrong("/recipients", "want the patient or a proxy")
	}
	return nil
}

// encounter is the form of a reference to an Encounter of the EHR (FHIR R4, id).
var encounter = regexp.MustCompile(`^Encounter/[A-Za-z0-9.-]{1,64}$`)

func wrong(pointer, text string) error { return &connector.DecodeError{Pointer: pointer, Text: text} }

// message makes the message row's message: direction, ids, time, and the files' ids, sizes and hashes.
func (d *Draft) message(client string, now time.Time, priority connector.Priority) (connector.Message, error) {
	m := d.Message
	m.ID, m.ClientID, m.Sequence, m.Direction, m.Encounter = client, client, 0, connector.ToPatient, d.Encounter
	if m.SentAt.IsZero() {
		m.SentAt = now
	}
	if m.Priority == "" {
		m.Priority = priority
	}
	m.Attachments = slices.Clone(m.Attachments)
	seen := map[string]bool{}
	for i := range m.Attachments {
		a := &m.Attachments[i]
		at := "/attachments/" + strconv.Itoa(i)
		if a.ID == "" {
			a.ID = "a" + strconv.Itoa(i+1)
		}
		switch {
		case seen[a.ID]:
			return m, wrong(at+"/id", "two attachments have this id")
		case a.Data == nil:
			return m, wrong(at+"/data", "this field is required")
		case a.ContentType == "":
			return m, wrong(at+"/content_type", "this field is required")
		}
		seen[a.ID] = true
		a.Size, a.SHA256, a.URL = int64(len(a.Data)), connector.Hash(a.Data), ""
	}
	return m, nil
}

// Client is the client_message_id that Compose gives a message with this IdempotencyKey: Tx.MessageByClient finds what an earlier
// call came to. "" without a key.
func (d *Draft) Client() string {
	if d.IdempotencyKey == "" {
		return ""
	}
	return d.keyed("message", time.Time{})
}

// keyed gives the id that an idempotency key stands for, shaped as our other ids are. Without a key every id is new.
func (d *Draft) keyed(what string, now time.Time) string {
	if d.IdempotencyKey == "" {
		return connector.NewID(now)
	}
	h := sha256.New()
	for _, part := range []string{what, d.Channel.EHR, d.Channel.Name, d.Agent, d.IdempotencyKey} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	var id ulid.ULID
	copy(id[:], h.Sum(nil))
	return id.String()
}
