package webhook

import (
	"encoding/base64"

	"github.com/chartwire/chartwire/connector"
)

// needs says which parts of data a type cannot do without.
var needs = map[connector.EventType][]string{
	connector.MessageCreated:   {"thread", "message"},
	connector.MessageStatus:    {"thread", "status"},
	connector.MessageCorrected: {"thread", "correction"},
	connector.MessageRetracted: {"thread", "retraction"},
	connector.ThreadClosed:     {"thread"},
	connector.ThreadReopened:   {"thread"},
	connector.ConsentUpdated:   {"consent"},
}

// event holds the body to the schema and gives the event with the parts its type is about. Parts of another type are
// checked and left out.
func (k *checker) event(w *wireEvent) connector.Event {
	if !k.must("type", w.Type != nil) || !k.must("timestamp", w.Timestamp != nil) || !k.must("data", w.Data != nil) {
		return connector.Event{}
	}
	ev := connector.Event{
		Type: connector.EventType(k.enum("type", w.Type, string(connector.MessageCreated), string(connector.MessageStatus),
			string(connector.MessageCorrected), string(connector.MessageRetracted), string(connector.ThreadClosed),
			string(connector.ThreadReopened), string(connector.ConsentUpdated))),
		Timestamp: k.instant("timestamp", w.Timestamp),
	}
	k.in("data")
	defer k.out()
	k.required(ev.Type, w.Data)
	ev.Thread = k.thread(w.Data.Thread)
	ev.Patient = k.patient(w.Data.Patient)
	message := k.message(w.Data.Message)
	statusOf, delivery := k.status(w.Data.Status)
	correctionOf, correction := k.correction(w.Data.Correction)
	retractionOf, retraction := k.retraction(w.Data.Retraction)
	consent := k.consent(w.Data.Consent)
	switch ev.Type {
	case connector.MessageCreated:
		ev.Message = message
	case connector.MessageStatus:
		ev.MessageID, ev.Delivery = statusOf, delivery
	case connector.MessageCorrected:
		ev.MessageID, ev.Correction = correctionOf, correction
	case connector.MessageRetracted:
		ev.MessageID, ev.Retraction = retractionOf, retraction
	case connector.ConsentUpdated:
		ev.Consent = consent
	}
	return ev
}

func (k *checker) required(t connector.EventType, d *wireData) {
	given := map[string]bool{
		"thread": d.Thread != nil, "message": d.Message != nil, "status": d.Status != nil,
		"correction": d.Correction != nil, "retraction": d.Retraction != nil, "consent": d.Consent != nil,
	}
	for _, name := range needs[t] {
		k.must(name, given[name])
	}
	if t == connector.ConsentUpdated && d.Thread == nil && d.Patient == nil {
		k.fail("", "a consent needs a thread or a patient")
	}
}

func (k *checker) thread(w *wireThread) *connector.ThreadInfo {
	if w == nil {
		return nil
	}
	k.in("thread")
	defer k.out()
	k.must("id", w.ID != nil)
	info := &connector.ThreadInfo{
		ID:      k.id("id", w.ID),
		Subject: k.text("subject", w.Subject, 0, 255),
		Topic: k.enum("topic", w.Topic, "clinical", "refill", "scheduling", "billing", "results", "reminder", "check-in",
			"other"),
		Priority:  k.priority("priority", w.Priority),
		Encounter: k.identifier("encounter", w.Encounter, 1, 0),
	}
	k.in("about")
	for i := range w.About {
		k.inIndex(i)
		info.About = append(info.About, k.text("", &w.About[i], 0, 255))
		k.out()
	}
	k.out()
	return info
}

func (k *checker) priority(name string, s *string) connector.Priority {
	return connector.Priority(k.enum(name, s, string(connector.Routine), string(connector.Urgent), string(connector.ASAP),
		string(connector.Stat)))
}

// identifier checks a system and a value of minimum to maximum characters; a maximum of 0 is no limit.
func (k *checker) identifier(name string, w *wireIdentifier, minimum, maximum int) *connector.Identifier {
	if w == nil {
		return nil
	}
	k.in(name)
	defer k.out()
	k.must("system", w.System != nil)
	k.must("value", w.Value != nil)
	return &connector.Identifier{System: k.uri("system", w.System), Value: k.text("value", w.Value, minimum, maximum)}
}

func (k *checker) patient(w *wirePatient) *connector.PatientKey {
	if w == nil {
		return nil
	}
	k.in("patient")
	defer k.out()
	key := &connector.PatientKey{
		BirthDate: k.date("birth_date", w.BirthDate),
		Phone:     k.pattern("phone", w.Phone, phonePattern, "a phone number as E.164 writes it"),
	}
	if k.must("identifiers", w.Identifiers != nil) && len(w.Identifiers) == 0 {
		k.fail("identifiers", "want at least one")
	}
	k.in("identifiers")
	for i := range w.Identifiers {
		key.Identifiers = append(key.Identifiers, *k.identifier(index(i), &w.Identifiers[i], 1, 128))
	}
	k.out()
	if w.Name != nil {
		key.Name = &connector.HumanName{Family: k.text("", w.Name.Family, 0, 0), Given: w.Name.Given}
	}
	return key
}

func (k *checker) participant(name string, w *wireParticipant) *connector.Participant {
	if w == nil {
		return nil
	}
	k.in(name)
	defer k.out()
	k.must("role", w.Role != nil)
	p := &connector.Participant{
		Role: connector.Role(k.enum("role", w.Role, string(connector.RolePatient), string(connector.RoleProxy),
			string(connector.RoleClinician), string(connector.RoleStaff), string(connector.RolePool),
			string(connector.RoleSystem))),
		ID:           k.text("id", w.ID, 0, 128),
		Identifier:   k.identifier("identifier", w.Identifier, 0, 0),
		Name:         k.text("name", w.Name, 0, 255),
		Relationship: k.text("relationship", w.Relationship, 0, 64),
	}
	if w.ID == nil && w.Identifier == nil && p.Role != connector.RoleSystem {
		k.fail("", "want id or identifier")
	}
	return p
}

// senders says who may send in a direction.
var senders = map[connector.Direction][]connector.Role{
	connector.FromPatient: {connector.RolePatient, connector.RoleProxy},
	connector.ToPatient:   {connector.RoleClinician, connector.RoleStaff, connector.RolePool, connector.RoleSystem},
	connector.Internal:    {connector.RoleClinician, connector.RoleStaff, connector.RolePool, connector.RoleSystem},
}

func (k *checker) message(w *wireMessage) *connector.Message {
	if w == nil {
		return nil
	}
	k.in("message")
	defer k.out()
	k.must("id", w.ID != nil)
	k.must("direction", w.Direction != nil)
	k.must("sent_at", w.SentAt != nil)
	k.must("sender", w.Sender != nil)
	m := &connector.Message{
		ID:       k.id("id", w.ID),
		Sequence: k.atLeast("sequence", w.Sequence, 1),
		Direction: connector.Direction(k.enum("direction", w.Direction, string(connector.FromPatient),
			string(connector.ToPatient), string(connector.Internal))),
		SentAt:    k.instant("sent_at", w.SentAt),
		Text:      k.text("text", w.Text, 1, 20000),
		InReplyTo: k.id("in_reply_to", w.InReplyTo),
		ClientID:  k.id("client_message_id", w.ClientID),
		Language:  k.text("language", w.Language, 0, 0),
		Priority:  k.priority("priority", w.Priority),
	}
	if p := k.participant("sender", w.Sender); p != nil {
		m.Sender = *p
		k.mayFrom(m.Direction, p.Role)
	}
	k.in("recipients")
	for i := range w.Recipients {
		m.Recipients = append(m.Recipients, *k.participant(index(i), &w.Recipients[i]))
	}
	k.out()
	m.Attachments = k.attachments(w.Attachments)
	if w.Text == nil && w.Attachments == nil {
		k.fail("", "want text or attachments")
	}
	return m
}

func (k *checker) mayFrom(d connector.Direction, r connector.Role) {
	for _, role := range senders[d] {
		if role == r {
			return
		}
	}
	k.in("sender")
	k.fail("role", "this role cannot send in this direction")
	k.out()
}

func (k *checker) attachments(ws []wireAttachment) []connector.Attachment {
	k.in("attachments")
	defer k.out()
	switch {
	case ws == nil:
		return nil
	case len(ws) == 0:
		k.fail("", "want at least one")
	case len(ws) > 10:
		k.fail("", "more than 10")
	}
	out := make([]connector.Attachment, 0, len(ws))
	seen := map[string]bool{}
	for i := range ws {
		k.inIndex(i)
		a := k.attachment(&ws[i])
		if seen[a.ID] {
			k.fail("id", "two attachments of one message have this id")
		}
		seen[a.ID] = true
		out = append(out, a)
		k.out()
	}
	return out
}

// attachment checks one file. What is given inline is decoded, held against its declared size and hash, and gets both.
func (k *checker) attachment(w *wireAttachment) connector.Attachment {
	k.must("id", w.ID != nil)
	k.must("content_type", w.ContentType != nil)
	a := connector.Attachment{
		ID:          k.id("id", w.ID),
		Filename:    k.text("filename", w.Filename, 0, 255),
		ContentType: k.text("content_type", w.ContentType, 0, 0),
		Size:        k.atLeast("size", w.Size, 0),
		SHA256:      k.pattern("sha256", w.SHA256, sha256Pattern, "64 lower-case hex digits"),
		URL:         k.uri("url", w.URL),
	}
	if (w.Data == nil) == (w.URL == nil) {
		k.fail("", "want either data or url")
		return a
	}
	if w.Data == nil {
		return a
	}
	data, err := base64.StdEncoding.DecodeString(*w.Data)
	if err != nil {
		k.fail("data", "want base64")
		return a
	}
	got := connector.Hash(data)
	if w.Size != nil && a.Size != int64(len(data)) {
		k.fail("size", "the data has another size")
	}
	if w.SHA256 != nil && a.SHA256 != got {
		k.fail("sha256", "the data has another SHA-256")
	}
	a.Data, a.Size, a.SHA256 = data, int64(len(data)), got
	return a
}
