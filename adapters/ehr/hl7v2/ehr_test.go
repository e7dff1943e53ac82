package hl7v2

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/adapters/hl7"
	"github.com/chartwire/chartwire/adapters/hl7/mllp"
	"github.com/chartwire/chartwire/connector"
)

// TestMatchBelieves: one identifier gives one reference, whatever the channel calls its system and however it is asked for.
func TestMatchBelieves(t *testing.T) {
	e := New(Options{Policy: policy("", "")}) // and nothing is called
	match := func(k connector.PatientKey) string {
		t.Helper()
		p, err := e.Match(t.Context(), k)
		if err != nil || !p.Active {
			t.Fatalf("%v", err)
		}
		return p.Reference
	}
	one := match(key(county, "MRN-1"))
	for name, k := range map[string]connector.PatientKey{
		"again": key(county, "MRN-1"), "another system of the authority": key("urn:alias", "MRN-1"),
		"said twice": key("urn:alias", "MRN-1", county, "MRN-1"), "beside others": key("urn:plan", "A1", "urn:nobody", "9", county, "MRN-1"),
		"by the reference": {Reference: one}, "with a reference of the platform's": {Reference: "Patient/abc", Identifiers: key(county, "MRN-1").Identifiers},
	} {
		if got := match(k); got != one {
			t.Errorf("%s: %s, want %s", name, got, one)
		}
	}
	for name, k := range map[string]connector.PatientKey{"another value": key(county, "MRN-2"), "another authority": key("urn:plan", "MRN-1")} {
		if match(k) == one {
			t.Errorf("%s: the same patient", name)
		}
	}
	if strings.Contains(one, "MRN") {
		t.Errorf("%s shows the identifier", one)
	}
	for name, c := range map[string]struct {
		key  connector.PatientKey
		want error
	}{
		"nobody": {connector.PatientKey{}, connector.ErrNoMatch}, "no authority": {key("urn:nobody", "1"), connector.ErrNoMatch},
		"an EHR's reference": {connector.PatientKey{Reference: "Patient/abc"}, connector.ErrNoMatch}, "no value": {key(county, ""), connector.ErrNoMatch},
		"two records of one authority": {key(county, "MRN-1", "urn:alias", "MRN-2"), connector.ErrAmbiguous},
	} {
		if _, err := e.Match(t.Context(), c.key); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// planned is one write of an adapter, ready to leave.
func planned(t *testing.T, e *EHR) connector.Write {
	t.Helper()
	writes, err := e.Plan(connector.Exchange{Kind: connector.ItemExchange, Base: "https://connector.clinic.example/sid", Channel: "texting", Revision: 1,
		Received: time.Date(2026, 11, 22, 18, 3, 12, 0, time.UTC), Thread: connector.ThreadInfo{ID: "t-1"}, Who: key(county, "MRN-1"),
		Message: connector.Message{ID: "m-1", Direction: connector.FromPatient, SentAt: time.Date(2026, 11, 22, 18, 3, 11, 0, time.UTC),
			Sender: connector.Participant{Role: connector.RolePatient}, Text: "private words"}})
	if err != nil || len(writes) != 1 {
		t.Fatalf("%d writes: %v", len(writes), err)
	}
	return writes[0]
}

// TestCommitAlone: where only the commit is asked for, CA is the answer there is.
func TestCommitAlone(t *testing.T) {
	e, n := connected(t, hl7.Always, hl7.Never)
	r, err := e.File(t.Context(), planned(t, e))
	if err != nil || r.Reference != "MDM/"+control("t-1/m-1")+"-v1" || r.Verified || !strings.Contains(string(r.Response), "|CA|") {
		t.Errorf("%+v, %v", r, err)
	}
	if n.dialed != 1 || len(n.stored) != 1 {
		t.Errorf("%d connections, %d messages", n.dialed, len(n.stored))
	}
}

// TestNotReached: nobody there, or a lease that is lost, leaves nothing behind.
func TestNotReached(t *testing.T) {
	e, n := connected(t, "", "")
	n.refuse = errors.New("dial tcp 10.1.2.3:2575: connection refused")
	var retry *connector.Retry
	if _, err := e.Open(t.Context()); !errors.As(err, &retry) || retry.Reason != connector.EHRUnavailable || strings.Contains(err.Error(), "10.1.2.3") {
		t.Errorf("Open: %v", err)
	}
	if _, err := e.File(t.Context(), planned(t, e)); !errors.As(err, &retry) {
		t.Errorf("File: %v", err)
	}
	n.refuse = nil
	traits, err := e.Open(t.Context())
	if err != nil || traits.Strategy != connector.AsMDM || traits.Echo != connector.EchoNone || traits.Update || traits.IfNoneExist {
		t.Errorf("%+v, %v", traits, err)
	}
	if _, err := e.Open(t.Context()); err != nil || n.dialed != 1 {
		t.Errorf("opened again: %v after %d connections", err, n.dialed)
	}
	fenced := New(Options{Policy: policy("", ""), Dial: n.dial, Now: time.Now, Fence: func(context.Context) error { return connector.ErrFenced }})
	defer fenced.Close()
	if _, err := fenced.File(t.Context(), planned(t, e)); !errors.Is(err, connector.ErrFenced) || len(n.stored) != 0 {
		t.Errorf("without its lease: %v, %d messages left", err, len(n.stored))
	}
	if _, err := New(Options{Policy: policy("", "")}).File(t.Context(), planned(t, e)); !errors.As(err, &retry) {
		t.Errorf("without a way out: %v", err)
	}
	if _, err := e.Find(t.Context(), planned(t, e)); !errors.Is(err, connector.ErrNotSearchable) {
		t.Errorf("Find: %v", err)
	}
}

// TestSilence: an engine that takes a message and says nothing, and one that stops reading in the middle, leave it open; the
// next message waits its turn no longer than its own deadline, and was not sent.
func TestSilence(t *testing.T) {
	for name, reads := range map[string]bool{"says nothing": true, "reads no more": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := New(Options{Policy: policy("", ""), Now: time.Now, Dial: func(context.Context) (net.Conn, error) {
					ours, theirs := net.Pipe()
					go func() {
						if reads {
							_, _ = mllp.NewReader(theirs, 0).Next()
						} else {
							_, _ = theirs.Read(make([]byte, 10))
						}
						<-t.Context().Done()
						_ = theirs.Close()
					}()
					return ours, nil
				}})
				defer e.Close()
				first := make(chan error)
				go func() {
					ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
					defer cancel()
					_, err := e.File(ctx, planned(t, e))
					first <- err
				}()
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				var retry *connector.Retry
				if _, err := e.File(ctx, planned(t, e)); !errors.As(err, &retry) {
					t.Errorf("the one that waited: %v", err)
				}
				var open *connector.Ambiguous
				if err := <-first; !errors.As(err, &open) || strings.Contains(err.Error(), "private words") {
					t.Errorf("the one that left: %v", err)
				}
			})
		})
	}
}

// TestRetractSays: what cannot be taken back names the document for a person.
func TestRetractSays(t *testing.T) {
	e := New(Options{Policy: policy("", "")})
	_, err := e.Retract(planned(t, e), "MDM/ABC-v1")
	var refused *connector.Refused
	if !errors.As(err, &refused) || refused.Reason != connector.NotExpressible || !strings.Contains(refused.Detail.Reveal(), "ABC-v1") {
		t.Errorf("%v", err)
	}
}

// control is MSH-10 of what has this value in the channel of planned.
func control(value string) string {
	return connector.ControlID(connector.Identifier{System: "https://connector.clinic.example/sid/texting/message", Value: value})
}
