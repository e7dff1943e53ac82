package deliver_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// asked is a CommunicationRequest born in the EHR, as it stands.
func asked(ref string, change ...func(*connector.EHRRequest)) connector.EHRRequest {
	now := time.Now()
	r := connector.EHRRequest{Reference: ref, Version: "1", LastUpdated: now, AuthoredOn: now, Status: "active", Channels: []string{channel},
		Subject: "Patient/ana", Recipients: []string{"Patient/ana"}, Text: "please call",
		Sender: connector.Reference{Literal: "Practitioner/dr"}}
	for _, f := range change {
		f(&r)
	}
	return r
}

// put makes the EHR have a request.
func (w *world) put(r connector.EHRRequest) {
	w.chart.set(func(c *chart) {
		c.requests[r.Reference] = r
		if !slices.ContainsFunc(c.entries, func(e *entry) bool { return e.ref == r.Reference }) {
			c.entries = append(c.entries, &entry{ref: r.Reference, version: 1, at: time.Now(), body: map[string]any{
				"resourceType": "CommunicationRequest", "status": r.Status, "subject": map[string]any{"reference": r.Subject}}})
		}
	})
}

// watching is a bubble with a watcher that polls every 10 s.
func watching(t *testing.T, test func(w *world)) {
	t.Helper()
	bubble(t, func(w *world) {
		w.watch, w.conn.Poll, w.conn.Systems = true, 10*time.Second, map[string]string{"urn:mrn": "urn:mrn"}
		test(w)
	})
}

// born counts a request that becomes an exchange.
func (w *world) born(r connector.EHRRequest) {
	w.mu.Lock()
	w.events++
	w.mu.Unlock()
	w.put(r)
}

const ref = "CommunicationRequest/born"

// notices gives the parked items for people that no thread has.
func (w *world) notices() (out []connector.Item) {
	w.t.Helper()
	w.view(func(tx connector.Tx) error {
		items, err := tx.OpenItems(ehrID, []connector.ItemState{connector.Parked}, 0)
		out = slices.DeleteFunc(items, func(i connector.Item) bool { return i.Kind != connector.ItemNotice })
		return err
	})
	return out
}

func TestEHRBornRequestIsSentFiledAndCompleted(t *testing.T) {
	watching(t, func(w *world) {
		w.platform.answer = func(int, connector.Outgoing) (connector.Handover, error) {
			return connector.Handover{MessageID: "m-1", ThreadID: thread1, Sequence: 1}, nil
		}
		w.born(asked(ref))
		w.run()
		w.pass(time.Minute)
		if w.platform.count() != 1 || w.platform.sent[0].Text != "please call" {
			t.Fatalf("sent %d times", w.platform.count())
		}
		if to := w.platform.sent[0].Recipients; len(to) != 1 || to[0].Role != connector.RolePatient || to[0].Identifier == nil || to[0].Identifier.Value != "1" {
			t.Error("it went to somebody else than the patient")
		}
		w.filed(map[string]string{"m-1": "please call"})
		if based := w.chart.on("t-1/m-1")[0].reference("basedOn"); based != ref {
			t.Errorf("it is based on %q", based)
		}
		w.accept(status("m-1", connector.Delivered, ""))
		w.pass(time.Minute)
		if got := w.chart.byRef(ref).str("status"); got != "completed" {
			t.Errorf("the request is %s", got)
		}
		for range 10 {
			w.pass(time.Minute)
		}
		if w.platform.count() != 1 {
			t.Errorf("sent %d times", w.platform.count())
		}
	})
}

func TestRequestsThatAreNotOurs(t *testing.T) {
	for name, change := range map[string]func(*connector.EHRRequest){
		"with our request identifier": func(r *connector.EHRRequest) { r.Ours = true },
		"for no medium of ours":       func(r *connector.EHRRequest) { r.Channels = nil },
		"for another medium":          func(r *connector.EHRRequest) { r.Channels = []string{"letter"} },
		"draft":                       func(r *connector.EHRRequest) { r.Status = "draft" },
		"not to be performed":         func(r *connector.EHRRequest) { r.DoNotPerform = true },
	} {
		t.Run(name, func(t *testing.T) {
			watching(t, func(w *world) {
				w.put(asked(ref, change))
				w.run()
				w.pass(time.Minute)
				if w.platform.count() != 0 || len(w.notices()) != 0 {
					t.Errorf("sent %d times, %d notices", w.platform.count(), len(w.notices()))
				}
			})
		})
	}
}

func TestRequestsThatMayNotBeSentAreParked(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*connector.EHRRequest)
		people map[string]connector.Recipient
		reason connector.Reason
	}{
		"too old":               {func(r *connector.EHRRequest) { r.AuthoredOn = r.AuthoredOn.Add(-25 * time.Hour) }, nil, connector.RequestTooOld},
		"its time has passed":   {func(r *connector.EHRRequest) { r.DueUntil = r.AuthoredOn.Add(-time.Minute) }, nil, connector.RequestTooOld},
		"for another patient":   {func(r *connector.EHRRequest) { r.Recipients = []string{"Patient/other"} }, nil, connector.RecipientRefused},
		"for nobody":            {func(r *connector.EHRRequest) { r.Recipients = nil }, nil, connector.RecipientRefused},
		"for staff":             {func(r *connector.EHRRequest) { r.Recipients = []string{"Practitioner/dr"} }, nil, connector.RecipientRefused},
		"for another's proxy":   {func(r *connector.EHRRequest) { r.Recipients = []string{"RelatedPerson/x"} }, map[string]connector.Recipient{"RelatedPerson/x": {Patient: "Patient/other", Active: true, Participant: "u-1"}}, connector.RecipientRefused},
		"for an inactive proxy": {func(r *connector.EHRRequest) { r.Recipients = []string{"RelatedPerson/x"} }, map[string]connector.Recipient{"RelatedPerson/x": {Patient: "Patient/ana", Participant: "u-1"}}, connector.RecipientRefused},
		"without an address":    {func(r *connector.EHRRequest) { r.Recipients = []string{"RelatedPerson/x"} }, map[string]connector.Recipient{"RelatedPerson/x": {Patient: "Patient/ana", Active: true}}, connector.NoAddress},
		"of no patient":         {func(r *connector.EHRRequest) { r.Subject = "Patient/gone" }, nil, connector.NoPatient},
	} {
		t.Run(name, func(t *testing.T) {
			watching(t, func(w *world) {
				w.chart.people = c.people
				w.put(asked(ref, c.change))
				w.run()
				w.pass(5 * time.Minute)
				if w.platform.count() != 0 {
					t.Errorf("sent %d times", w.platform.count())
				}
				if n := w.notices(); len(n) != 1 || n[0].Reason != c.reason || n[0].Detail.Request != ref {
					t.Errorf("people are told %+v", n)
				}
			})
		})
	}
}

func TestRequestForTheirProxyIsSent(t *testing.T) {
	watching(t, func(w *world) {
		w.chart.people = map[string]connector.Recipient{"RelatedPerson/x": {Patient: "Patient/ana", Active: true, Participant: "u-1", Name: "Luis", Relation: "son"}}
		w.born(asked(ref, func(r *connector.EHRRequest) { r.Recipients = []string{"RelatedPerson/x"} }))
		w.run()
		w.pass(time.Minute)
		if w.platform.count() != 1 || w.platform.sent[0].Recipients[0].ID != "u-1" || w.platform.sent[0].Recipients[0].Role != connector.RoleProxy {
			t.Fatalf("sent %d times", w.platform.count())
		}
	})
}

func TestRequestIsSentWhenDue(t *testing.T) {
	watching(t, func(w *world) {
		w.born(asked(ref, func(r *connector.EHRRequest) { r.DueFrom = r.AuthoredOn.Add(3 * time.Hour) }))
		w.run()
		w.pass(3*time.Hour - time.Second)
		if w.platform.count() != 0 {
			t.Fatal("it was sent before it was due")
		}
		w.pass(2 * time.Second)
		if w.platform.count() != 1 {
			t.Errorf("sent %d times", w.platform.count())
		}
	})
}

func TestRequestRevokedBeforeItIsDueIsNotSent(t *testing.T) {
	for name, revoke := range map[string]func(*connector.EHRRequest){
		"revoked": func(r *connector.EHRRequest) { r.Status = "revoked" },
		"on hold": func(r *connector.EHRRequest) { r.Status = "on-hold" },
	} {
		t.Run(name, func(t *testing.T) {
			watching(t, func(w *world) {
				r := asked(ref, func(r *connector.EHRRequest) { r.DueFrom = r.AuthoredOn.Add(time.Hour) })
				w.born(r)
				w.run()
				w.pass(30 * time.Minute)
				revoke(&r)
				r.Version, r.LastUpdated = "2", time.Now()
				w.put(r)
				w.pass(time.Hour)
				if w.platform.count() != 0 {
					t.Error("it was sent all the same")
				}
				if got := w.chart.order(); len(got) != 0 {
					t.Errorf("the chart has %v", got)
				}
			})
		})
	}
}

// TestRequestChangedBeforeItIsSentIsNotSent: the old words never go out, nor do new ones nobody has claimed.
func TestRequestChangedBeforeItIsSentIsNotSent(t *testing.T) {
	watching(t, func(w *world) {
		r := asked(ref, func(r *connector.EHRRequest) { r.DueFrom = r.AuthoredOn.Add(time.Hour) })
		w.born(r)
		w.run()
		w.pass(30 * time.Minute)
		r.Text, r.Version, r.LastUpdated = "other words", "2", time.Now()
		w.put(r)
		w.pass(time.Hour)
		if w.platform.count() != 0 {
			t.Error("it was sent all the same")
		}
		if got := w.chart.order(); len(got) != 0 {
			t.Errorf("the chart has %v", got)
		}
	})
}

func TestRequestIsReadAnewJustBeforeTheSend(t *testing.T) {
	watching(t, func(w *world) {
		w.born(asked(ref))
		w.conn.Poll = time.Hour // the watcher does not look again
		read := false
		w.conn.EHR = revoking{w.chart, &read}
		w.run()
		w.pass(10 * time.Minute)
		if !read || w.platform.count() != 0 {
			t.Errorf("read anew: %v, sent %d times", read, w.platform.count())
		}
	})
}

// revoking is a chart on which the request is revoked between the watcher's look and the send.
type revoking struct {
	*chart
	read *bool
}

func (r revoking) Request(ctx context.Context, reference string) (connector.EHRRequest, error) {
	*r.read = true
	out, err := r.chart.Request(ctx, reference)
	out.Status = "revoked"
	return out, err
}

func TestRequestWaitsWhileTheEHRDoesNotSayWhetherItStands(t *testing.T) {
	watching(t, func(w *world) {
		w.born(asked(ref))
		down := true
		w.conn.EHR = asking{w.chart, &down}
		w.run()
		w.pass(10 * time.Minute)
		if w.platform.count() != 0 {
			t.Fatal("it was sent without knowing")
		}
		w.chart.set(func(*chart) { down = false })
		w.pass(5 * time.Minute)
		if w.platform.count() != 1 {
			t.Errorf("sent %d times", w.platform.count())
		}
	})
}

// asking is a chart whose answer to the re-read is that our credentials are not accepted.
type asking struct {
	*chart
	down *bool
}

func (a asking) Request(ctx context.Context, reference string) (connector.EHRRequest, error) {
	a.mu.Lock()
	down := *a.down
	a.mu.Unlock()
	if down {
		return connector.EHRRequest{}, &connector.Refused{Reason: connector.Unauthorized, Status: 401}
	}
	return a.chart.Request(ctx, reference)
}

func TestNotifyMakesTheWatcherLookAtOnce(t *testing.T) {
	watching(t, func(w *world) {
		w.conn.Poll = time.Hour
		w.run()
		w.pass(time.Minute)
		w.born(asked(ref))
		w.pass(time.Minute)
		if w.platform.count() != 0 {
			t.Fatal("the watcher polls more often than it is told to")
		}
		w.engine.Notify(ehrID)
		w.pass(time.Second)
		if w.platform.count() != 1 {
			t.Errorf("sent %d times", w.platform.count())
		}
	})
}

func TestTwoWatchersSendOnce(t *testing.T) {
	watching(t, func(w *world) {
		w.born(asked(ref))
		w.run()
		w.run()
		w.pass(5 * time.Minute)
		if w.platform.count() != 1 {
			t.Errorf("sent %d times", w.platform.count())
		}
	})
}
