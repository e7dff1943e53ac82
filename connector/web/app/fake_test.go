package app_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"slices"
	"sync"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/inbox"
)

var now = time.Date(2026, 3, 4, 15, 30, 0, 0, time.UTC)

// desk is an inbox that holds one clinic's morning. fail makes a call fail by its name; said is what the calls were given.
type desk struct {
	mu      sync.Mutex
	fail    map[string]error
	said    []string
	draft   inbox.DraftView
	drafts  []inbox.DraftView // of the patient's page, beside one
	more    []inbox.DraftView // beside a composer's
	undone  *inbox.DraftView  // what Undo gives
	unnamed int               // of the staff
	barred  bool              // nobody may write in the thread
	sent    *inbox.DraftView
	text    string // of the first message, where a test wants its own
	name    string // of the patient and of files, likewise
	changes chan inbox.Change
	begun   inbox.Begun
	covered string
	wait    func(ctx context.Context) // before a view is given
	long    int                       // entries of the thread beside the four
	role    connector.Role
	since   time.Duration // the sign-in
	queued  []inbox.Entry // at the end of the thread
}

func newDesk() *desk {
	return &desk{fail: map[string]error{}, changes: make(chan inbox.Change, 8), role: connector.RoleClinician,
		begun: inbox.Begun{URL: "https://ehr.example.org/auth?state=s1", Secret: "window-secret"}}
}

func (d *desk) call(name string, given ...any) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.said = append(d.said, fmt.Sprintln(append([]any{name}, given...)...))
	return d.fail[name]
}

func (d *desk) Begin(_ context.Context, in inbox.BeginIn) (inbox.Begun, error) {
	return d.begun, d.call("Begin", in.EHR, in.Iss, in.Launch, len(in.Browser), in.Source)
}

func (d *desk) Finish(_ context.Context, in inbox.FinishIn) (*inbox.Session, string, error) {
	if err := d.call("Finish", in.EHR, in.State, in.Code, in.Error, in.Browser, in.Secret, in.Source, in.Previous, in.Proof); err != nil {
		return nil, "", err
	}
	return &inbox.Session{ID: "L1"}, "handle-1", nil
}

func (d *desk) Session(_ context.Context, id, handle string) (*inbox.Session, error) {
	if err := d.call("Session", id); err != nil {
		return nil, err
	}
	if handle != "handle-1" {
		return nil, connector.ErrNotFound
	}
	s := &inbox.Session{ID: id, EHR: "mercy", Patient: "Patient/p1", Pools: []string{"nurses"}, StyleURL: "https://ehr.example.org/style.json",
		Covered: d.covered, Created: now.Add(-d.since), Ends: now.Add(min(inbox.Idle, inbox.Life-d.since))}
	if id == "L2" {
		s.Patient = ""
	}
	return s, nil
}

func (d *desk) Peek(ctx context.Context, id, handle string) (*inbox.Session, error) {
	if err := d.call("Peek", id); err != nil {
		return nil, err
	}
	return d.Session(ctx, id, handle)
}

func (d *desk) SignOut(context.Context, *inbox.Session) error { return d.call("SignOut") }
func (d *desk) Uncover(context.Context, *inbox.Session) error { return d.call("Uncover") }

var (
	maria = inbox.Who{Key: "u-maria", Name: "Maria Cho", Role: connector.RoleProxy, Relationship: "mother"}
	anna  = inbox.Who{Key: "Practitioner/anna", Name: "Anna Ruiz, MD", Role: connector.RoleClinician}
	sam   = inbox.Who{Key: "Practitioner/sam", Name: "Sam Okafor, RN", Role: connector.RoleStaff}
)

func (d *desk) daniel() inbox.Who {
	return inbox.Who{Key: "patient", Name: d.banner().Name, Role: connector.RolePatient}
}

func (d *desk) banner() inbox.Banner {
	b := inbox.Banner{Reference: "Patient/p1", Name: "Daniel Cho", BirthDate: "2016-07-21", MRN: "884-213-07", Show: true}
	if d.name != "" {
		b.Name = d.name
	}
	return b
}

func (d *desk) frame(s *inbox.Session) inbox.Frame {
	f := inbox.Frame{Launch: s.ID, EHR: s.EHR, User: anna, Role: d.role, Write: d.role != inbox.ReadOnly, Zone: time.FixedZone("CST", -6*3600),
		StyleURL: s.StyleURL, Now: now, Ends: s.Ends}
	if s.Patient != "" {
		f.Banner = d.banner()
	}
	return f
}

func (d *desk) lines() []inbox.ThreadLine {
	rash := inbox.ThreadLine{ID: "T1", Subject: "Rash after the new cream", Topic: "clinical", Urgent: true, With: []inbox.Who{maria, d.daniel()},
		Snippet: "It is spreading to his neck now. Should we stop the cream?", Last: now.Add(-70 * time.Minute), Waits: 70 * time.Minute,
		AnswerBy: now.Add(-10 * time.Minute), Overdue: true, Pool: "Nurses", Typing: []inbox.Who{sam}, Stuck: 1, Unfinished: 1, Draft: d.draft.ID != ""}
	if d.text != "" {
		rash.Subject, rash.Snippet, rash.Topic = d.text, d.text, d.text
	}
	return []inbox.ThreadLine{rash,
		{ID: "T2", Subject: "Refill: albuterol inhaler", Topic: "refill", With: []inbox.Who{maria}, Snippet: "He has about a week left of the blue one.",
			Last: now.Add(-20 * time.Minute), Waits: 20 * time.Minute, AnswerBy: now.Add(3 * time.Hour), Pool: "Nurses", Mine: true, Holder: anna},
		{ID: "T3", Subject: "School form", Topic: "other", With: []inbox.Who{maria}, Snippet: "Thank you, that is all we needed!", Last: now.Add(-50 * time.Hour),
			Holder: sam, Closed: true}}
}

func (d *desk) Patient(ctx context.Context, s *inbox.Session) (inbox.PatientView, error) {
	if d.wait != nil {
		d.wait(ctx)
	}
	if err := d.call("Patient"); err != nil {
		return inbox.PatientView{}, err
	}
	v := inbox.PatientView{Frame: d.frame(s), Threads: d.lines(), More: d.fail["more"] != nil}
	if d.fail["empty"] != nil {
		v.Threads = nil
	} else {
		if d.sent != nil && d.sent.Thread == "" {
			v.Drafts = append(v.Drafts, *d.sent)
		}
		v.Drafts = append(v.Drafts, d.drafts...)
		v.Drafts = append(v.Drafts, inbox.DraftView{ID: "D9", Channel: "texting", Topic: "results", Text: "Your lab results are in.", Saved: now.Add(-time.Hour)})
	}
	return v, nil
}

func (d *desk) pools() []inbox.PoolChoice {
	return []inbox.PoolChoice{{ID: "nurses", Name: "Nurses", Waiting: 12}, {ID: "front", Name: "Front desk", Waiting: 100, More: true}}
}

func (d *desk) Pool(_ context.Context, s *inbox.Session, f inbox.PoolFilter) (inbox.PoolView, error) {
	if err := d.call("Pool", f); err != nil {
		return inbox.PoolView{}, err
	}
	if s.Patient != "" {
		return inbox.PoolView{}, &inbox.Forbidden{Why: "This page belongs to one patient."}
	}
	v := inbox.PoolView{Frame: d.frame(s), Filter: f, Pools: d.pools(), Threads: d.lines(), Hidden: 2, Next: "place-2"}
	for i := range v.Threads {
		v.Threads[i].Patient = d.banner()
	}
	if d.fail["empty"] != nil {
		v.Threads, v.Hidden, v.Next = nil, 0, ""
	}
	if d.fail["no pool"] != nil {
		v.Pools = nil
	}
	if d.fail["unknown"] != nil {
		v.Pools, v.Unknown = nil, now.Add(-45*time.Minute)
	}
	if d.fail["unasked"] != nil {
		v.Threads, v.Hidden, v.Next, v.Unasked = nil, 25, "", true
	}
	return v, nil
}

func (d *desk) entries() []inbox.Entry {
	text, file := "Hi, Daniel has red bumps where we put the new cream on his arm.\nIt itches a lot. Here is a photo.", "arm-2026-03-03.jpg"
	if d.text != "" {
		text, file = d.text, d.text
	}
	out := []inbox.Entry{
		{ID: "M1", Direction: connector.FromPatient, Sender: maria, SentAt: now.Add(-26 * time.Hour), Received: now.Add(-26 * time.Hour), Text: text,
			Files: []inbox.File{{ID: "a1", Name: file, Type: "image/jpeg", Size: 184_000, Image: true}, {ID: "a2", Name: "leaflet.pdf", Type: "application/pdf", Size: 1_240_000},
				{ID: "a3", Name: "late.png", Type: "image/png", Missing: true}},
			Chart: inbox.Line{State: "filed", Text: "On the chart", Tone: inbox.Good, At: now.Add(-26 * time.Hour), Ref: "Communication/c-118"}, Filed: true},
		{ID: "M2", Direction: connector.Internal, Sender: sam, SentAt: now.Add(-25 * time.Hour), Received: now.Add(-25 * time.Hour), Text: "Looks like contact dermatitis. Dr. Ruiz to confirm.",
			Chart: inbox.Line{State: "filed", Text: "On the chart", Tone: inbox.Good, Ref: "Communication/c-119"}, Filed: true},
		{ID: "M3", Direction: connector.ToPatient, Sender: anna, To: []inbox.Who{maria}, SentAt: now.Add(-24 * time.Hour), Received: now.Add(-24 * time.Hour),
			Text: "Please stop the cream for two days and send me another photo tomorrow.", Delivery: &inbox.Line{State: "read", Text: "Read", Tone: inbox.Good, At: now.Add(-23 * time.Hour)},
			Chart: inbox.Line{State: "filed", Text: "On the chart", Tone: inbox.Good, Ref: "Communication/c-120"}, Filed: true,
			Edited: []inbox.Revision{{ID: "M0", At: now.Add(-25 * time.Hour), Text: "Please stop the cream for one day.", Files: []inbox.File{{ID: "a1", Name: "plan.pdf", Type: "application/pdf", Size: 2000}}}}, EditedBy: "Anna Ruiz, MD"},
		{ID: "M4", Direction: connector.FromPatient, Sender: d.daniel(), SentAt: now.Add(-3 * time.Hour), Received: now.Add(-3 * time.Hour), Text: "its not itchy anymore",
			Retracted: &connector.Retraction{At: now.Add(-2 * time.Hour), Reason: "sent by mistake"}, Late: true,
			Chart: inbox.Line{State: "parked", Text: "Not on the chart: the EHR refused the change. Waits for the Nurses since 13:31", Tone: inbox.Bad}},
		{ID: "M5", Direction: connector.FromPatient, Sender: maria, SentAt: now.Add(-70 * time.Minute), Received: now.Add(-70 * time.Minute), Text: "It is spreading to his neck now. Should we stop the cream?", Urgent: true,
			Chart: inbox.Line{State: "held", Text: "Held: waits for an encounter to file it under", Tone: inbox.Busy}},
		{ID: "M6", Direction: connector.ToPatient, Sender: inbox.Who{Role: connector.RoleSystem}, To: []inbox.Who{maria}, SentAt: now.Add(-69 * time.Minute), Text: "We have your message and answer within an hour.",
			Delivery: &inbox.Line{State: "delivered", Text: "Delivered", Tone: inbox.Good}, Chart: inbox.Line{State: "not_due", Text: "Not filed: automatic messages are left out by policy", Tone: inbox.Quiet}},
	}
	for i := range d.long {
		e := out[i%3]
		e.ID, e.Edited = fmt.Sprintf("X%d", i), slices.Clone(e.Edited)
		for n := range e.Edited {
			e.Edited[n].ID = fmt.Sprintf("X%d-%d", i, n)
		}
		out = append(out, e)
	}
	if d.sent != nil {
		out = append(out, inbox.Entry{ID: d.sent.ID, Direction: connector.ToPatient, Sender: anna, To: []inbox.Who{maria}, SentAt: now, Text: d.sent.Text,
			Delivery: &inbox.Line{State: "queued", Text: "Goes out in a moment", Tone: inbox.Busy}, Chart: inbox.Line{State: "waiting", Text: "Is filed once it has gone", Tone: inbox.Quiet},
			UndoUntil: now.Add(10 * time.Second)})
	}
	return append(out, d.queued...)
}

func (d *desk) composer() inbox.Composer {
	c := inbox.Composer{May: d.role != inbox.ReadOnly && !d.barred, Why: "You can read these messages and not write.", Bind: "bind-1", Seen: "M5", As: anna, To: []inbox.Who{maria, d.daniel()},
		Ask: true, Channel: "texting", Draft: d.draft, More: d.more, Others: []inbox.Who{sam},
		Templates: []inbox.TemplateView{{ID: "photo", Name: "Ask for a photo", Language: "en", Text: "Hello Daniel, please send a photo before " + "{next}.", Open: []string{"next appointment"}},
			{ID: "foto", Name: "Pedir una foto", Language: "es", Text: "Hola Daniel, por favor envíe una foto."}}}
	return c
}

func (d *desk) Thread(_ context.Context, s *inbox.Session, thread, draft string) (inbox.ThreadView, error) {
	if err := d.call("Thread", thread, draft); err != nil {
		return inbox.ThreadView{}, err
	}
	t := d.lines()[0]
	t.ID = thread
	return inbox.ThreadView{Frame: d.frame(s), Thread: t, Version: 7, Entries: d.entries(), Composer: d.composer(), Staff: []inbox.Who{anna, sam}, Unnamed: d.unnamed, Pools: d.pools()}, nil
}

func (d *desk) New(_ context.Context, s *inbox.Session, channel, draft string) (inbox.NewView, error) {
	if err := d.call("New", channel, draft); err != nil {
		return inbox.NewView{}, err
	}
	c := d.composer()
	switch {
	case draft == "":
		c.Draft = inbox.DraftView{}
	case draft != d.draft.ID:
		return inbox.NewView{}, &inbox.Gone{}
	}
	c.ReadBy = "to Maria Cho (mother), not to Daniel Cho"
	c.Ask, c.Topics, c.Others = false, []string{"clinical", "refill", "scheduling"}, nil
	if len(c.Draft.To) == 0 {
		c.Draft.To = []string{maria.Key}
	}
	c.Channels = []inbox.ChannelChoice{{Name: "texting"}, {Name: "portal", Consent: "Daniel Cho has not agreed to messages by the portal."}}
	if channel != "" {
		c.Channel, c.May, c.Why = channel, channel == "texting", c.Channels[1].Consent
	}
	return inbox.NewView{Frame: d.frame(s), Composer: c}, nil
}

func (d *desk) Filed(_ context.Context, s *inbox.Session, thread, message string) (inbox.FiledPage, error) {
	page := inbox.FiledPage{Frame: d.frame(s)}
	if err := d.call("Filed", thread, message); err != nil {
		return page, err
	}
	if message == "M5" {
		return page, nil
	}
	body := "{\n  \"resourceType\": \"Communication\",\n  \"status\": \"completed\",\n  \"subject\": {\n    \"reference\": \"Patient/p1\"\n  }\n}"
	if d.text != "" {
		body = d.text
	}
	page.Filed = []inbox.FiledView{{Strategy: connector.AsCommunication, Method: "POST", URL: "https://ehr.example.org/fhir/Communication", Reference: "Communication/c-118", Version: "1",
		FiledAt: now.Add(-26 * time.Hour), Proof: "The EHR gave it back with the same words.", Body: body}}
	return page, nil
}

// photo is a small picture with something to see in it.
func photo() []byte {
	img := image.NewRGBA(image.Rect(0, 0, 480, 360))
	for y := range 360 {
		for x := range 480 {
			img.Set(x, y, color.RGBA{uint8(200 + x%40), uint8(120 + y/5), uint8(100 + (x+y)/12), 255})
		}
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, img, nil); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// files are what File gives, by the attachment's id.
var files = map[string]struct {
	name, kind string
	data       []byte
}{
	"a1":    {"arm-2026-03-03.jpg", "image/jpeg", photo()},
	"a2":    {"leaflet.pdf", "application/pdf", []byte("%PDF-1.7 leaflet")},
	"svg":   {"a.svg", "image/svg+xml", []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`)},
	"html":  {"a.html", "text/html", []byte("<script>alert(1)</script>")},
	"false": {"x.png", "image/png", []byte("<script>alert(1)</script>")},
	"other": {"x.jpg", "image/jpeg", []byte("\x89PNG\r\n\x1a\n....")},
	"name":  {"../..\\a\r\nSet-Cookie: x=1\u202egnp.\"exe", "image/gif", []byte("GIF89a....")},
	"none":  {"", "", nil},
}

func (d *desk) File(_ context.Context, _ *inbox.Session, thread, message, attachment string, thumb bool) (string, string, []byte, error) {
	if err := d.call("File", thread, message, attachment, thumb); err != nil {
		return "", "", nil, err
	}
	f, ok := files[attachment]
	if !ok {
		return "", "", nil, connector.ErrNotFound
	}
	return f.name, f.kind, f.data, nil
}

func (d *desk) Save(_ context.Context, _ *inbox.Session, in inbox.DraftIn) (inbox.DraftView, error) {
	names := []string{}
	for _, f := range in.AddFiles {
		names = append(names, fmt.Sprint(f.Name, "=", len(f.Data)))
	}
	if err := d.call("Save", in.ID, in.Version, in.Thread, in.Channel, in.Topic, in.To, in.Text, in.Urgent, in.Template, in.Bind, names, in.DropFiles); err != nil {
		return inbox.DraftView{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.draft = inbox.DraftView{ID: "D1", Version: in.Version + 1, Thread: in.Thread, Channel: in.Channel, To: in.To, Text: in.Text, Saved: now, Urgent: in.Urgent, Template: in.Template, Files: d.draft.Files}
	if len(in.To) == 1 {
		d.draft.ReadBy = map[string]string{"patient": "to Daniel Cho, not to Maria Cho (mother)", "u-maria": "to Maria Cho (mother), not to Daniel Cho"}[in.To[0]]
	}
	for _, f := range in.AddFiles {
		d.draft.Files = append(d.draft.Files, inbox.File{ID: "f" + fmt.Sprint(len(d.draft.Files)), Name: f.Name, Size: int64(len(f.Data))})
	}
	return d.draft, nil
}

func (d *desk) Send(_ context.Context, _ *inbox.Session, in inbox.SendIn) (inbox.DraftView, error) {
	if err := d.call("Send", in.ID, in.Version, in.Thread, in.To, in.Text, in.Bind, in.Seen, in.Anyway, len(in.AddFiles)); err != nil {
		return inbox.DraftView{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	v := inbox.DraftView{ID: "D1", Version: in.Version + 1, Thread: in.Thread, Text: in.Text, SendAt: now.Add(10 * time.Second)}
	d.sent, d.draft = &v, inbox.DraftView{}
	return v, nil
}

func (d *desk) Undo(_ context.Context, _ *inbox.Session, draft string) (inbox.DraftView, error) {
	if err := d.call("Undo", draft); err != nil {
		return inbox.DraftView{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	v := inbox.DraftView{ID: draft, Thread: "T1"}
	if d.sent != nil {
		v.Text, d.sent = d.sent.Text, nil
	}
	if d.undone != nil {
		v = *d.undone
	}
	d.draft = v
	return v, nil
}

func (d *desk) Discard(_ context.Context, _ *inbox.Session, draft string) error {
	d.draft = inbox.DraftView{}
	return d.call("Discard", draft)
}

func (d *desk) Work(_ context.Context, _ *inbox.Session, in inbox.WorkIn) error {
	return d.call("Work", in.Thread, in.Act, in.To, in.Shown)
}

func (d *desk) Note(_ context.Context, _ *inbox.Session, thread, text, bind string) error {
	return d.call("Note", thread, text, bind)
}

func (d *desk) Watch(_ context.Context, _ *inbox.Session, threads []string) (<-chan inbox.Change, error) {
	return d.changes, d.call("Watch", threads)
}
