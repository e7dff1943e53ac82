package ingest_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/ingest"
)

func (w *world) draft(threadID string) ingest.Draft {
	d := ingest.Draft{
		Channel: w.ch, ThreadID: threadID, Agent: "api:portal", ActAs: "Practitioner/prac-ana",
		Message: connector.Message{
			Sender:     connector.Participant{Role: connector.RoleClinician, ID: "prac-ana"},
			Recipients: []connector.Participant{{Role: connector.RolePatient, ID: "u-1"}},
			Text:       "Please continue.",
		},
	}
	if threadID == "" {
		d.Patient, d.Subject, d.Topic = *mrn("MRN1"), "Your refill", "refill"
	}
	return d
}

func (w *world) compose(d ingest.Draft) ingest.Composed {
	w.t.Helper()
	w.clock.Advance(time.Second)
	c, err := w.in.Compose(context.Background(), d)
	if err != nil {
		w.t.Fatalf("Compose: %v", err)
	}
	return c
}

// lines gives a thread's items as text, by our thread id.
func (w *world) lines(thread string) []string {
	w.t.Helper()
	var out []string
	for _, i := range w.items(thread) {
		out = append(out, strings.TrimSpace(string(i.Lane)+"/"+string(i.Kind)+" "+string(i.State)+" "+string(i.Reason)))
	}
	slices.Sort(out)
	return out
}

func (w *world) row(id string) (m connector.MessageRow) {
	w.t.Helper()
	w.view(func(tx connector.Tx) (err error) {
		m, err = tx.Message(ehrID, id)
		return err
	})
	return m
}

func (w *world) threadByID(id string) (t connector.Thread, err error) {
	err = w.store.View(context.Background(), func(tx connector.Tx) error {
		t, err = tx.Thread(ehrID, id)
		return err
	})
	return t, err
}

// due says which lanes of the EHR can be claimed now.
func (w *world) due() []connector.LaneKind {
	w.t.Helper()
	lanes, err := w.store.Claim(context.Background(), ehrID, []connector.LaneKind{
		connector.LaneChart, connector.LaneRequest, connector.LaneSend, connector.LaneMedia, connector.LaneTask,
	}, 100, w.clock.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	var out []connector.LaneKind
	for _, l := range lanes {
		out = append(out, l.Kind)
	}
	slices.Sort(out)
	return out
}

func TestComposeReply(t *testing.T) {
	w := newWorld(t)
	w.accept(said("k1", "m-1", 1, "hello"))
	w.due()
	d := w.draft(w.thread("t-1").ID)
	d.Message.Attachments = []connector.Attachment{{ContentType: "text/plain", Data: []byte("abc")}}
	c := w.compose(d)
	m := w.row(c.Message)
	if m.Client != c.Client || m.Message.ID != c.Client || m.Message.ClientID != c.Client || !m.Requested || m.Delivery.State != connector.Queued ||
		m.Message.Direction != connector.ToPatient || m.Message.Text != "Please continue." || !m.Message.SentAt.Equal(w.clock.Now()) {
		t.Error("the row is not that of a queued message of ours")
	}
	if a := m.Message.Attachments[0]; a.ID != "a1" || a.Size != 3 || len(a.SHA256) != 64 {
		t.Error("an attachment gets id, size and hash")
	}
	want := []string{
		"chart/exchange waiting", "chart/exchange waiting handover", "chart/header waiting", "request/request waiting", "send/send waiting",
	}
	if got := w.lines(c.Thread); !slices.Equal(got, want) {
		t.Errorf("items %q", got)
	}
	for _, i := range w.items(c.Thread) {
		if i.Kind == connector.ItemRequest && (i.Detail.Status != "active" || i.Detail.Request != c.Client) {
			t.Errorf("request item %+v", i.Detail)
		}
		if i.Kind == connector.ItemExchange && i.Message == c.Message && i.Reason != connector.NeedsHandover {
			t.Error("the exchange waits for the handover")
		}
	}
	if got := w.due(); !slices.Equal(got, []connector.LaneKind{connector.LaneRequest, connector.LaneSend}) {
		t.Errorf("lanes due %v", got) // the chart lane is leased since before
	}
	last := w.store.audited[len(w.store.audited)-1]
	if last.Kind != "send-requested" || last.Agent != "api:portal" || last.OnBehalf != "Practitioner/prac-ana" || last.Item != c.Item {
		t.Errorf("audit %+v", last)
	}
}

func TestComposeNewThread(t *testing.T) {
	w := newWorld(t)
	c := w.compose(w.draft(""))
	th, err := w.threadByID(c.Thread)
	if err != nil || th.Placed() || th.Ext != th.ID || th.Info.Subject != "Your refill" || th.Header == "" || th.Patient.IsZero() {
		t.Errorf("thread %v %v", th, err)
	}
	want := []string{"chart/exchange waiting handover", "chart/header waiting handover", "request/request waiting", "send/send waiting"}
	if got := w.lines(c.Thread); !slices.Equal(got, want) {
		t.Errorf("items %q", got)
	}
	if got := w.due(); !slices.Equal(got, []connector.LaneKind{connector.LaneRequest, connector.LaneSend}) {
		t.Errorf("lanes due %v: nothing of a thread without the platform's id may be filed", got)
	}
}

func TestComposeIsIdempotentByKey(t *testing.T) {
	w := newWorld(t)
	d := w.draft("")
	d.IdempotencyKey = "k"
	first, again := w.compose(d), w.compose(d)
	first.Repeat = true
	if first != again {
		t.Errorf("first %+v, again %+v", first, again)
	}
	d.Message.Text = "Other words."
	if _, err := w.in.Compose(context.Background(), d); !errors.Is(err, ingest.ErrKeyReused) {
		t.Errorf("other words under the same key: %v", err)
	}
	d.Agent = "api:other"
	if other := w.compose(d); other.Client == first.Client {
		t.Error("keys of two agents meet")
	}
	if a, b := w.compose(w.draft("")), w.compose(w.draft("")); a.Client == b.Client {
		t.Error("without a key every call is a new message")
	}
}

func TestComposeRefusesWhatCannotBeSent(t *testing.T) {
	w := newWorld(t)
	w.accept(said("k1", "m-1", 1, "hello"))
	id := w.thread("t-1").ID
	for name, tc := range map[string]struct {
		change  func(*ingest.Draft)
		pointer string
	}{
		"nothing to say":            {func(d *ingest.Draft) { d.Message.Text = "" }, "/text"},
		"too long":                  {func(d *ingest.Draft) { d.Message.Text = strings.Repeat("é", 20001) }, "/text"},
		"not UTF-8":                 {func(d *ingest.Draft) { d.Message.Text = "\xff" }, "/text"},
		"sent by a patient":         {func(d *ingest.Draft) { d.Message.Sender.Role = connector.RolePatient }, "/sender/role"},
		"to nobody":                 {func(d *ingest.Draft) { d.Message.Recipients = nil }, "/recipients"},
		"to a pool alone":           {func(d *ingest.Draft) { d.Message.Recipients[0].Role = connector.RolePool }, "/recipients"},
		"to somebody without an id": {func(d *ingest.Draft) { d.Message.Recipients[0].ID = "" }, "/recipients/0"},
		"no patient":                {func(d *ingest.Draft) { d.ThreadID, d.Patient = "", connector.PatientKey{} }, "/patient"},
		"a file without data":       {func(d *ingest.Draft) { d.Message.Attachments = []connector.Attachment{{ContentType: "a/b"}} }, "/attachments/0/data"},
		"a file without type":       {func(d *ingest.Draft) { d.Message.Attachments = []connector.Attachment{{Data: []byte{1}}} }, "/attachments/0/content_type"},
		"two files of one id": {func(d *ingest.Draft) {
			d.Message.Attachments = []connector.Attachment{{ID: "a", ContentType: "a/b", Data: []byte{1}}, {ID: "a", ContentType: "a/b", Data: []byte{1}}}
		}, "/attachments/1/id"},
	} {
		d := w.draft(id)
		tc.change(&d)
		_, err := w.in.Compose(context.Background(), d)
		var de *connector.DecodeError
		if !errors.As(err, &de) || de.Pointer != tc.pointer {
			t.Errorf("%s: %v, want a problem at %s", name, err, tc.pointer)
		}
	}
	d := w.draft("01ARZ3NDEKTSV4RRFFQ69G5FAV")
	if _, err := w.in.Compose(context.Background(), d); !errors.Is(err, connector.ErrNotFound) {
		t.Errorf("an unknown thread: %v", err)
	}
	d = w.draft(id)
	d.Channel.Name = "other"
	if _, err := w.in.Compose(context.Background(), d); !errors.Is(err, connector.ErrNotFound) {
		t.Errorf("a thread of another channel: %v", err)
	}
	if got := w.store.kinds(); !slices.Equal(got, []string{"event-accepted"}) {
		t.Errorf("audit %v", got)
	}
}

func consent(key, state string, at time.Duration, change func(*connector.Event)) connector.Event {
	ev := thread(connector.Event{Key: key, Type: connector.ConsentUpdated, Consent: &connector.Consent{State: state, At: start.Add(at)}}, "t-1")
	if change != nil {
		change(&ev)
	}
	return ev
}

func TestConsent(t *testing.T) {
	proxy := connector.Participant{Role: connector.RoleProxy, ID: "u-901"}
	for name, tc := range map[string]struct {
		rule   string
		events []connector.Event
		draft  func(*ingest.Draft)
		want   connector.Reason
	}{
		"assumed, nothing said":     {rule: "assumed"},
		"required, nothing said":    {rule: "required", want: connector.ConsentMissing},
		"required and granted":      {rule: "required", events: []connector.Event{consent("c1", "granted", 0, nil)}},
		"revoked by thread":         {rule: "assumed", events: []connector.Event{consent("c1", "revoked", 0, nil)}, want: connector.ConsentRevoked},
		"revoked, then granted":     {rule: "assumed", events: []connector.Event{consent("c1", "revoked", 0, nil), consent("c2", "granted", time.Hour, nil)}},
		"granted later, said first": {rule: "assumed", events: []connector.Event{consent("c2", "granted", time.Hour, nil), consent("c1", "revoked", 0, nil)}},
		"both at one instant":       {rule: "assumed", events: []connector.Event{consent("c1", "revoked", 0, nil), consent("c2", "granted", 0, nil)}, want: connector.ConsentRevoked},
		"revoked by patient alone": {rule: "assumed", events: []connector.Event{consent("c1", "revoked", 0, func(ev *connector.Event) {
			ev.Thread, ev.Patient = nil, mrn("MRN1")
		})}, want: connector.ConsentRevoked},
		"revoked by another patient": {rule: "assumed", events: []connector.Event{consent("c1", "revoked", 0, func(ev *connector.Event) {
			ev.Thread, ev.Patient = nil, mrn("MRN2")
		})}},
		"revoked by number, as people write it": {rule: "assumed", events: []connector.Event{consent("c1", "revoked", 0, func(ev *connector.Event) {
			ev.Thread, ev.Patient, ev.Consent.Phone = nil, mrn("MRN7"), "+1 (500) 555-0006"
		})}, want: connector.ConsentRevoked},
		"the patient's word is not the proxy's": {rule: "assumed", events: []connector.Event{consent("c1", "revoked", 0, nil)},
			draft: func(d *ingest.Draft) { d.Message.Recipients[0] = proxy }},
		"the proxy's own word": {rule: "assumed", events: []connector.Event{consent("c1", "revoked", 0, func(ev *connector.Event) { ev.Consent.Of = &proxy })},
			draft: func(d *ingest.Draft) { d.Message.Recipients[0] = proxy }, want: connector.ConsentRevoked},
		"one of two revoked": {rule: "required", events: []connector.Event{consent("c1", "revoked", 0, func(ev *connector.Event) { ev.Consent.Of = &proxy })},
			draft: func(d *ingest.Draft) { d.Message.Recipients = append(d.Message.Recipients, proxy) }, want: connector.ConsentRevoked},
		"the proxy's number": {rule: "assumed", events: []connector.Event{consent("c1", "revoked", 0, func(ev *connector.Event) { ev.Consent.Phone = "+15005550099" })},
			draft: func(d *ingest.Draft) {
				d.Message.Recipients[0] = proxy
				d.Phones = map[string]string{proxy.Key(): "+15005550099"}
			}, want: connector.ConsentRevoked},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.ch.Consent = tc.rule
			w.accept(with(said("k1", "m-1", 1, "hello"), func(ev *connector.Event) {
				ev.Patient = mrn("MRN1")
				ev.Patient.Phone = "+15005550006"
			}))
			for _, ev := range tc.events {
				if res := w.accept(ev); outcome(res) != taken {
					t.Fatalf("consent %s: %s", ev.Key, outcome(res))
				}
			}
			d := w.draft(w.thread("t-1").ID)
			if tc.draft != nil {
				tc.draft(&d)
			}
			_, err := w.in.Compose(context.Background(), d)
			var refused *ingest.ConsentError
			switch {
			case tc.want == "" && err != nil:
				t.Fatalf("Compose: %v", err)
			case tc.want == "":
				return
			case !errors.As(err, &refused) || refused.Reason != tc.want:
				t.Fatalf("Compose: %v, want %s", err, tc.want)
			}
			w.wantNotice(refused.Item, tc.want)
		})
	}
}

// wantNotice checks that nothing but a parked notice for the pool was committed.
func (w *world) wantNotice(id string, reason connector.Reason) {
	w.t.Helper()
	th := w.thread("t-1")
	for _, i := range w.items(th.ID) {
		if i.Kind == connector.ItemSend || i.Kind == connector.ItemRequest {
			w.t.Errorf("a %s item was committed", i.Kind)
		}
		if i.ID == id && (i.State != connector.Parked || i.Kind != connector.ItemNotice || i.Reason != reason ||
			i.Owner != "nurse-triage" || i.Direction != connector.ToPatient || i.Lane != "") {
			w.t.Errorf("notice %+v", i)
		}
	}
	if last := w.store.audited[len(w.store.audited)-1]; last.Kind != "send-refused" || last.Item != id {
		w.t.Errorf("audit %+v", last)
	}
}

func TestConsentStillFilesInbound(t *testing.T) {
	w := newWorld(t)
	w.accept(consent("c1", "revoked", 0, nil))
	if res := w.accept(said("k1", "m-1", 1, "hello")); outcome(res) != taken || len(w.itemsOf("t-1", connector.ItemExchange)) != 1 {
		t.Error("what a patient sends is filed whatever they consent to get")
	}
}

func TestARefusalIsRepeatedByKey(t *testing.T) {
	w := newWorld(t)
	w.accept(said("k1", "m-1", 1, "hello"))
	w.accept(consent("c1", "revoked", 0, nil))
	d := w.draft(w.thread("t-1").ID)
	d.IdempotencyKey = "k"
	_, one := w.in.Compose(context.Background(), d)
	_, two := w.in.Compose(context.Background(), d)
	var a, b *ingest.ConsentError
	if !errors.As(one, &a) || !errors.As(two, &b) || *a != *b || len(w.itemsOf("t-1", connector.ItemNotice)) != 1 {
		t.Errorf("%v, then %v", one, two)
	}
}

func TestBornRequest(t *testing.T) {
	born := func(w *world) ingest.Draft {
		d := w.draft("")
		d.Born, d.BornVersion, d.Agent, d.ActAs = "CommunicationRequest/7", "1", "worker", ""
		d.Patient.Reference = "Patient/1"
		return d
	}
	claimed := func(w *world) (b connector.Born) {
		w.view(func(tx connector.Tx) (err error) {
			b, err = tx.BornByRef(ehrID, "CommunicationRequest/7")
			return err
		})
		return b
	}
	t.Run("is claimed once and makes no second request", func(t *testing.T) {
		w := newWorld(t)
		c, again := w.compose(born(w)), w.compose(born(w))
		b := claimed(w)
		m := w.row(c.Message)
		if c.Repeat || !again.Repeat || again.Thread != c.Thread || again.Item != c.Item || b.Item != c.Item || b.Version != "1" || m.Born != b.ID || m.Requested {
			t.Errorf("%+v, %+v, %+v", c, again, b)
		}
		for _, i := range w.items(c.Thread) {
			if i.Kind == connector.ItemRequest {
				t.Error("the EHR's own request is not filed again")
			}
			if i.Kind == connector.ItemSend && i.Detail.Request != "CommunicationRequest/7" {
				t.Error("the send item names the request it answers")
			}
		}
	})
	t.Run("is not sent before its time", func(t *testing.T) {
		w := newWorld(t)
		d := born(w)
		d.Due = start.Add(time.Hour)
		c := w.compose(d)
		for _, i := range w.items(c.Thread) {
			if i.Kind == connector.ItemSend && (i.State != connector.Held || i.Reason != connector.NotYetDue || !i.NextAt.Equal(d.Due)) {
				t.Errorf("send item %+v", i)
			}
		}
		if got := w.due(); len(got) != 0 {
			t.Errorf("lanes due %v", got)
		}
	})
	refusals := map[string]struct {
		change func(*world, *ingest.Draft)
		want   connector.Reason
		owner  string
	}{
		"what the watcher refuses": {func(_ *world, d *ingest.Draft) { d.Refusal = connector.RequestTooOld }, connector.RequestTooOld, "nurse-triage"},
		"a patient nobody knows": {func(_ *world, d *ingest.Draft) {
			d.Patient, d.Refusal = connector.PatientKey{}, connector.NoPatient
		}, connector.NoPatient, ""},
		"revoked consent": {func(w *world, _ *ingest.Draft) {
			w.accept(consent("c1", "revoked", 0, func(ev *connector.Event) { ev.Thread, ev.Patient = nil, mrn("MRN1") }))
		}, connector.ConsentRevoked, "nurse-triage"},
		"nothing to say": {func(_ *world, d *ingest.Draft) { d.Message.Text = "" }, connector.SendRefused, "nurse-triage"},
		"a thread of another patient": {func(w *world, d *ingest.Draft) {
			w.accept(with(said("k1", "m-1", 1, "x"), func(ev *connector.Event) { ev.Patient = mrn("MRN2") }))
			d.ThreadExt = "t-1"
		}, connector.RecipientRefused, "nurse-triage"},
	}
	for name, tc := range refusals {
		t.Run(name+" is parked and claimed", func(t *testing.T) {
			w := newWorld(t)
			d := born(w)
			tc.change(w, &d)
			c, again := w.compose(d), w.compose(d)
			if c.Refused != tc.want || !again.Repeat || claimed(w).Item != c.Item {
				t.Errorf("%+v, then %+v", c, again)
			}
			w.view(func(tx connector.Tx) error {
				i, err := tx.Item(ehrID, c.Item)
				if i.State != connector.Parked || i.Kind != connector.ItemNotice || i.Reason != tc.want || i.Owner != tc.owner {
					t.Errorf("notice %+v", i)
				}
				return err
			})
		})
	}
	t.Run("goes into the thread it names", func(t *testing.T) {
		w := newWorld(t)
		w.accept(with(said("k1", "m-1", 1, "x"), func(ev *connector.Event) { ev.Patient = mrn("MRN1") }))
		d := born(w)
		d.ThreadExt = "t-1"
		if c := w.compose(d); c.Thread != w.thread("t-1").ID {
			t.Error("it began another thread")
		}
	})
}
