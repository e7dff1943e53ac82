package deliver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/chartwire/chartwire/connector"
)

// RelinkAsk is what a person wants a thread to be about.
type RelinkAsk struct {
	Thread  string `json:"thread"`            // any id that Trace finds one thread by
	Patient string `json:"patient,omitempty"` // Type/id or its URL; "" only shows how the thread stands
	Why     string `json:"why,omitempty"`     // in the person's own words; may be PHI
	Agent   string `json:"-"`                 // who asks
	Yes     bool   `json:"yes,omitempty"`     // false only shows what would happen
}

// Relinking is what linking a thread to a patient will come to, or has. It names patients by their references in the EHR and
// by nothing else.
type Relinking struct {
	Thread  string           `json:"thread"`
	EHR     string           `json:"ehr"`
	Channel string           `json:"channel"`
	From    string           `json:"from,omitempty"`   // whom it is bound to; "" nobody
	To      string           `json:"to,omitempty"`     // whom it is to be bound to
	Reason  connector.Reason `json:"reason,omitempty"` // for which it is held; "" where it is not held for its patient
	Named   []string         `json:"named,omitempty"`  // whom the platform has named, as the EHR knows them, the first first
	Goes    int              `json:"goes"`             // items that go on at once
	Parks   []string         `json:"parks,omitempty"`  // items that a person has to look at first
	Replay  int              `json:"replay"`           // items parked for their patient: they need a replay then
	OnChart []OnChart        `json:"on_chart,omitempty"`
	Says    []string         `json:"says,omitempty"`    // sentences for a person, without names or birth dates
	Refused string           `json:"refused,omitempty"` // why it cannot be done; nothing was changed
	Idle    bool             `json:"idle,omitempty"`    // there is nothing to do
	Done    bool             `json:"done"`
}

// OnChart is what of a thread is on the chart of one patient.
type OnChart struct {
	Patient string   `json:"patient"`
	Entries []string `json:"entries"`
}

// Relink shows what linking a thread to a patient would come to, and with Yes does it: the thread is bound to that patient by
// a person's word, what was held for its patient goes on, and what is on the chart stays where it is. The EHR is asked about
// the patient right then; where it does not answer, or does not have them as one active record, nothing is done. A refusal is
// in the answer. Errors: ErrNotFound for a thread nobody knows, ErrNotThisWay where the id means several, the store's.
func (e *Engine) Relink(ctx context.Context, ask RelinkAsk) (Relinking, error) {
	ask.Patient = localReference(strings.TrimSpace(ask.Patient))
	g, err := e.groundOf(ctx, ask.Thread)
	if err != nil {
		return Relinking{}, err
	}
	t := g.thread
	out := Relinking{Thread: t.ID, EHR: g.ehr, Channel: t.Channel, From: t.Bound.Reference, To: ask.Patient, Reason: g.reason()}
	if ask.Yes && ask.Patient == "" {
		out.Refused = "name the patient with --patient Patient/ID"
		return out, nil
	}
	said, err := e.inquire(ctx, g, ask.Patient)
	if auditErr := e.auditRelink(ctx, t, ask); auditErr != nil {
		return out, auditErr
	}
	if err != nil {
		if ctx.Err() != nil {
			return out, ctx.Err()
		}
		out.Refused = notAsked(err)
		return out, nil
	}
	plan := planRelink(g, said, ask.Patient, e.clock.Now())
	plan.tell(&out, g, said)
	if !ask.Yes || out.Refused != "" || out.Idle {
		return out, nil
	}
	return e.relink(ctx, ask, g, said, out)
}

// relink commits the decision on the thread as it is then. Whoever holds one of its lanes toward the EHR loses it: what they
// planned with the patient of before can no longer leave.
func (e *Engine) relink(ctx context.Context, ask RelinkAsk, was ground, said word, out Relinking) (Relinking, error) {
	t := was.thread
	err := e.store.Update(ctx, connector.Shard(t.EHR, t.Channel, t.Ext), func(tx connector.Tx) error {
		out = Relinking{Thread: out.Thread, EHR: out.EHR, Channel: out.Channel, From: out.From, To: out.To, Reason: out.Reason}
		thread, err := tx.Thread(t.EHR, t.ID)
		if err != nil {
			return err
		}
		for _, lane := range connector.FilingLanes() {
			if err := tx.TakeLane(t.EHR, t.ID, lane); err != nil {
				return err
			}
		}
		now := ground{thread: thread, ehr: was.ehr, perThread: was.perThread}
		if err := now.read(tx); err != nil {
			return err
		}
		if !sameQuestion(was.thread, thread) {
			return errOtherQuestion
		}
		plan := planRelink(now, said, ask.Patient, e.clock.Now())
		plan.tell(&out, now, said)
		if out.Refused != "" || out.Idle {
			return errNotDone
		}
		out.Done = true
		return plan.commit(tx, ask, now, e.clock.Now())
	})
	switch {
	case errors.Is(err, errNotDone):
		return out, nil
	case errors.Is(err, errOtherQuestion), errors.Is(err, connector.ErrFenced), errors.Is(err, connector.ErrStale):
		out.Done, out.Refused = false, "the thread changed while the EHR was asked; look at it again"
		return out, nil
	}
	return out, err
}

// These undo a decision whose ground has changed; nobody outside sees them.
var (
	errNotDone       = errors.New("the decision is refused")
	errOtherQuestion = errors.New("the thread is not what was decided about")
)

// sameQuestion says whether a person who saw a thread as a decides about b, too: nobody else has linked it or was named for it.
func sameQuestion(a, b connector.Thread) bool {
	return a.Bound.Reference == b.Bound.Reference && a.Changed == b.Changed && len(a.Info.Disputed) == len(b.Info.Disputed) &&
		a.Ext == b.Ext && a.Patient.Reference == b.Patient.Reference && slices.Equal(a.Patient.Identifiers, b.Patient.Identifiers)
}

// word is what the EHR says of everyone concerned.
type word struct {
	to      connector.Patient
	unknown bool   // the EHR has nobody by the reference asked for
	from    string // in words: the record the thread is bound to; "" where it is bound to nobody
	gone    bool   // that record is inactive, was replaced, or is not there
	merged  bool   // the EHR says that the one asked for replaces it
	named   []string
	trusted bool // it shows no patients: the platform's identifiers are believed
}

// inquire asks the EHR about the patient the thread is bound to, those the platform has named, and the one asked for.
func (e *Engine) inquire(ctx context.Context, g ground, patient string) (w word, err error) {
	c := e.conns[g.thread.EHR]
	if c == nil || c.Mode == "off" {
		return w, errNotHere
	}
	if _, err := c.can(ctx, caller); err != nil {
		return w, err
	}
	w.trusted = c.TrustIDs
	if err := e.inquireBound(ctx, c, g.thread.Bound.Reference, patient, &w); err != nil {
		return w, err
	}
	for _, k := range g.keys() {
		ref, err := c.namedBy(ctx, k)
		if err != nil {
			return w, err
		}
		w.named = append(w.named, ref)
	}
	if patient == "" {
		return w, nil
	}
	w.to, err = c.look(ctx, patient)
	if errors.Is(err, connector.ErrNoMatch) || errors.Is(err, connector.ErrAmbiguous) {
		w.unknown = true
		return w, nil
	}
	return w, err
}

// mergesFollowed bounds how many merges are followed from one record to another.
const mergesFollowed = 10

func (e *Engine) inquireBound(ctx context.Context, c *conn, bound, patient string, w *word) error {
	if bound == "" {
		return nil
	}
	at := bound
	for n := range mergesFollowed {
		p, err := c.look(ctx, at)
		if errors.Is(err, connector.ErrNoMatch) || errors.Is(err, connector.ErrAmbiguous) {
			if n == 0 {
				w.from, w.gone = bound+": the EHR does not show this record any more", true
			}
			return nil
		}
		if err != nil {
			return err
		}
		if n == 0 {
			w.from, w.gone = recordSays(p), !p.Active || p.ReplacedBy != ""
		}
		w.merged = w.merged || n > 0 && at == patient
		if p.ReplacedBy == "" {
			return nil
		}
		at = localReference(p.ReplacedBy)
	}
	return nil
}

// recordSays is what a person needs to know of a record of a patient. It names nobody.
func recordSays(p connector.Patient) string {
	switch {
	case p.ReplacedBy != "":
		return p.Reference + ": replaced by " + localReference(p.ReplacedBy)
	case !p.Active:
		return p.Reference + ": inactive"
	}
	return p.Reference + ": active"
}

// look reads a patient from the EHR now, whatever is remembered of them.
func (c *conn) look(ctx context.Context, reference string) (connector.Patient, error) {
	p, err := c.match(ctx, connector.PatientKey{Reference: reference})
	if err == nil && p.Reference != reference {
		return p, &connector.Refused{Reason: connector.WrongSubject}
	}
	if err == nil {
		p.ReadAt = c.e.clock.Now()
		c.mu.Lock()
		c.patients[reference] = p
		c.mu.Unlock()
	}
	return p, err
}

// namedBy gives the reference of the one patient a key of the platform's names in the EHR, "" where it names none or several.
func (c *conn) namedBy(ctx context.Context, k connector.PatientKey) (string, error) {
	if c.told() {
		k.Reference = ""
	}
	p, err := c.match(ctx, k)
	if errors.Is(err, connector.ErrNoMatch) || errors.Is(err, connector.ErrAmbiguous) {
		return "", nil
	}
	return p.Reference, err
}

func (c *conn) match(ctx context.Context, k connector.PatientKey) (p connector.Patient, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*c.Deadline)
	defer cancel()
	err = c.ask(ctx, caller, func(ctx context.Context) error {
		p, err = c.EHR.Match(ctx, k)
		return err
	})
	return p, err
}

// errNotHere says that this configuration does not reach the thread's EHR.
var errNotHere = errors.New("its EHR connection is not configured here, or is off")

// notAsked says why the EHR could not be asked. It holds no PHI.
func notAsked(err error) string {
	var refused *connector.Refused
	switch {
	case errors.Is(err, errNotHere):
		return errNotHere.Error() + "; nothing was done"
	case errors.As(err, &refused) && refused.Reason == connector.WrongSubject:
		return "the EHR answered with another record than the one asked for; nothing was done. Have its administrator look at it"
	case errors.As(err, &refused):
		return fmt.Sprintf("the EHR refused the question (%s); nothing was done. See: chartwire doctor", refused.Reason)
	}
	return "the EHR could not be asked now; nothing was done. Ask again when it answers"
}

// auditRelink notes that a person was shown how a thread stands, and that the EHR was asked for it.
func (e *Engine) auditRelink(ctx context.Context, t connector.Thread, ask RelinkAsk) error {
	return e.store.Update(ctx, connector.Shard(t.EHR, t.Channel, t.Ext), func(tx connector.Tx) error {
		now := e.clock.Now()
		detail := map[string]string{"act": "relink", "scope": "content"}
		if ask.Patient != "" {
			detail["patient"] = ask.Patient
		}
		return tx.Audit(connector.AuditEntry{ID: connector.NewID(now), EHR: t.EHR, At: now, Kind: "read", Action: "R", Agent: ask.Agent, Thread: t.ID, Detail: detail})
	})
}
