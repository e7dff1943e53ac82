package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/ingest"
)

// param is a path parameter as it was meant: Echo matches the escaped path where that differs, and leaves the escapes in.
func param(c echo.Context, name string) string {
	v := c.Param(name)
	if c.Request().URL.RawPath == "" {
		return v
	}
	if plain, err := url.PathUnescape(v); err == nil {
		return plain
	}
	return v
}

// postMessage replies in a thread. {id} is our thread id, or CHANNEL:ID with the platform's.
func (s *Server) postMessage(c echo.Context) error {
	var b messageBody
	d, err := s.call(c, &b, &b)
	if err != nil {
		return err
	}
	t := caller(c)
	thread, err := s.thread(c, t, param(c, "id"))
	if err != nil {
		return err
	}
	ch, ok := s.o.Channels[thread.Channel]
	if !ok || ch.Ingest.EHR != t.EHR {
		return problem(http.StatusConflict, "channel", "The thread's channel is not configured for this EHR any more.")
	}
	if len(d.Message.Recipients) == 0 {
		if d.Message.Recipients, err = s.onlyWriter(c.Request().Context(), thread); err != nil {
			return err
		}
	}
	d.Channel, d.ThreadID, d.Patient = ch.Ingest, thread.ID, thread.Patient
	d.IdempotencyKey = scoped(d.IdempotencyKey, "thread", thread.ID)
	return s.compose(c, d)
}

// onlyWriter is who a reply goes to where the call does not say: the one person who wrote on the patient's side. Where both
// the patient and a proxy wrote, the call has to say.
func (s *Server) onlyWriter(ctx context.Context, t connector.Thread) ([]connector.Participant, error) {
	writers := map[string]connector.Participant{}
	err := s.o.Store.View(ctx, func(tx connector.Tx) error {
		clear(writers)
		items, err := tx.ThreadItems(t.EHR, t.ID)
		if err != nil {
			return err
		}
		for _, i := range items {
			if i.Kind != connector.ItemExchange || i.Direction != connector.FromPatient {
				continue
			}
			m, err := tx.Message(t.EHR, i.Message)
			if err != nil {
				return err
			}
			writers[m.Message.Sender.Key()] = m.Message.Sender
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(writers) != 1 {
		return nil, at("/recipients", "Say who the message is for: not exactly one person wrote on the patient's side of this thread.")
	}
	var out []connector.Participant
	for _, p := range writers {
		out = append(out, p)
	}
	return out, nil
}

// postThread begins a thread with a patient. {id} is the EHR's id of the Patient.
func (s *Server) postThread(c echo.Context) error {
	var b startBody
	d, err := s.call(c, &b, &b.messageBody)
	if err != nil {
		return err
	}
	t := caller(c)
	ch, ok := s.o.Channels[b.Channel]
	if !ok || ch.Ingest.EHR != t.EHR {
		return at("/channel", "Name a configured channel of this token's EHR.")
	}
	if d.Patient, err = s.patient(c, t, param(c, "id")); err != nil {
		return err
	}
	if len(d.Message.Recipients) == 0 {
		d.Message.Recipients = []connector.Participant{d.Patient.Participant()}
	}
	d.Channel, d.Subject, d.Topic = ch.Ingest, b.Subject, b.Topic
	d.IdempotencyKey = scoped(d.IdempotencyKey, "patient", d.Patient.Reference)
	return s.compose(c, d)
}

// patient asks the EHR who the patient is.
func (s *Server) patient(c echo.Context, t Token, id string) (connector.PatientKey, error) {
	none := problem(http.StatusNotFound, "patient", "The EHR has no active patient with this id.")
	if !fhirID(id) {
		return connector.PatientKey{}, s.denied(c, t, none)
	}
	key, err := s.o.Patient(c.Request().Context(), t.EHR, "Patient/"+id)
	switch {
	case errors.Is(err, connector.ErrNoMatch):
		return key, s.denied(c, t, none)
	case err != nil:
		s.o.Log.Warn("the EHR could not be asked for a patient", "ehr", t.EHR, "error", err)
		return key, problem(http.StatusServiceUnavailable, "ehr", "The EHR could not be asked for the patient, so nothing was taken. Send it again.")
	}
	return key, nil
}

// call is what both sending calls share: the role, the body, the sender. m is the message within b.
func (s *Server) call(c echo.Context, b checked, m *messageBody) (ingest.Draft, error) {
	t := caller(c)
	if !t.Write {
		return ingest.Draft{}, s.denied(c, t, problem(http.StatusForbidden, "role", "This token may only read."))
	}
	if err := read(c, b); err != nil {
		return ingest.Draft{}, err
	}
	d := ingest.Draft{Message: m.message(), Encounter: m.Encounter, Agent: "api:" + t.Name, IdempotencyKey: c.Request().Header.Get("Idempotency-Key")}
	var ok bool
	if d.Message.Sender, d.ActAs, ok = t.sender(m.ActAs); !ok {
		return d, s.denied(c, t, problem(http.StatusForbidden, "act-as", "This token may not send in that name; act_as must be one of its act_as in the configuration."))
	}
	return d, nil
}

// scoped makes an idempotency key good for one thread or patient: a program that uses one key for several patients must
// not have one of them answered with another's message.
func scoped(key, what, id string) string {
	if key == "" {
		return ""
	}
	return what + "/" + id + "/" + key
}

// compose commits the message: it is of record from then on, and sent at once.
func (s *Server) compose(c echo.Context, d ingest.Draft) error {
	out, err := s.o.Ingest.Compose(c.Request().Context(), d)
	var consent *ingest.ConsentError
	var wrong *connector.DecodeError
	switch {
	case errors.As(err, &consent):
		return notSent(consent.Reason)
	case errors.As(err, &wrong):
		return at(wrong.Pointer, sentence(wrong.Text))
	case errors.Is(err, ingest.ErrKeyReused):
		return problem(http.StatusUnprocessableEntity, "idempotency-key", "This Idempotency-Key was used for another message.")
	case errors.Is(err, connector.ErrNotFound):
		return noThread()
	case err != nil:
		return err
	case out.Refused != "":
		return notSent(out.Refused)
	}
	status := http.StatusCreated
	if out.Repeat {
		status = http.StatusOK
	}
	return c.JSON(status, sentBody{ThreadID: out.Thread, ClientMessageID: out.Client, State: string(connector.Queued)})
}

// notSent answers a message that may not go; a parked item says so to the pool.
func notSent(r connector.Reason) *Problem {
	return problem(http.StatusConflict, string(r), "Not sent: "+r.Sentence()+". It is on the parked list; next: "+r.Next()+".")
}

func noThread() *Problem {
	return problem(http.StatusNotFound, "thread", "No thread with this id belongs to the token's EHR.")
}

// thread finds a thread of the token's own EHR; one of another EHR does not exist for it, and asking for it is audited.
func (s *Server) thread(c echo.Context, t Token, id string) (connector.Thread, error) {
	var out connector.Thread
	err := s.o.Store.View(c.Request().Context(), func(tx connector.Tx) error {
		var err error
		if channel, ext, ok := strings.Cut(id, ":"); ok {
			out, err = tx.ThreadByExt(t.EHR, channel, ext)
		} else {
			out, err = tx.Thread(t.EHR, id)
		}
		return err
	})
	if errors.Is(err, connector.ErrNotFound) {
		return out, s.denied(c, t, noThread())
	}
	return out, err
}

// fhirID says whether s is a FHIR id (R4 datatypes, id).
func fhirID(s string) bool {
	if len(s) == 0 || len(s) > 64 {
		return false
	}
	for _, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.') {
			return false
		}
	}
	return true
}
