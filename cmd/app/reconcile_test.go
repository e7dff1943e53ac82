package app_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters"
	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/cmd/app"
	"github.com/chartwire/chartwire/config"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/deliver"
	"github.com/chartwire/chartwire/connector/web"
)

var rots = flag.Int("rots", 48, "how many entries TestReconcileFinds spoils")

// reconcile asks as the command does: the running serve over its socket, or the store itself.
func (h *chartHouse) reconcile(since time.Time) ([]deliver.Finding, []deliver.ReconcileReport) {
	h.t.Helper()
	c, problems := config.Load(filepath.Join(h.dir, "chartwire.yaml"), adapters.Sections()...)
	if c == nil {
		h.t.Fatal(problems)
	}
	o, err := app.OpenOperator(h.t.Context(), c)
	if err != nil {
		h.t.Fatal(err)
	}
	defer o.Close()
	resp, err := o.Do(h.t.Context(), http.MethodPost, "/reconcile?since="+url.QueryEscape(since.Format(time.RFC3339Nano)), nil)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 {
		text, _ := io.ReadAll(resp.Body)
		h.t.Fatalf("answered %d: %s", resp.StatusCode, text)
	}
	var findings []deliver.Finding
	var reports []deliver.ReconcileReport
	for in := json.NewDecoder(resp.Body); ; {
		var line web.ReconcileLine
		err := in.Decode(&line)
		if errors.Is(err, io.EOF) {
			return findings, reports
		}
		if err != nil || line.Error != "" {
			h.t.Fatal(err, line.Error)
		}
		if line.Finding != nil {
			findings = append(findings, *line.Finding)
		}
		reports = append(reports, line.Reports...)
	}
}

// spoil rots one entry in the way its turn says, and gives the finding it must make: kind and what differs.
func (h *chartHouse) spoil(turn int, x ehr.Stored) (deliver.FindingKind, []string) {
	h.t.Helper()
	var kind deliver.FindingKind
	var differs []string
	must := func(err error) {
		if err != nil {
			h.t.Fatal(err)
		}
	}
	edit := func(k deliver.FindingKind, what string, change func(r map[string]any)) {
		kind, differs = k, []string{what}
		if turn%16 < 8 {
			must(h.chart.Rot(x.Reference(), change))
			return
		}
		must(h.chart.Edit(x.Reference(), change))
	}
	subject := func(r map[string]any) string { return r["subject"].(map[string]any)["reference"].(string) }
	another := func(r map[string]any) {
		at := slices.Index(h.patients, subject(r))
		r["subject"] = map[string]any{"reference": h.patients[(at+1)%len(h.patients)]}
	}
	switch turn % 8 {
	case 0:
		kind = deliver.FoundMissing
		must(h.chart.Remove(x.Reference()))
	case 1:
		edit(deliver.FoundEdited, "words", func(r map[string]any) {
			r["payload"].([]any)[0].(map[string]any)["contentString"] = "Other words."
		})
	case 2:
		edit(deliver.FoundEdited, "status", func(r map[string]any) { r["status"] = "entered-in-error" })
	case 3:
		edit(deliver.FoundWrongSubject, "subject", another)
	case 4:
		kind = deliver.FoundDuplicate
		_, err := h.chart.Double(x.Reference())
		must(err)
	case 5:
		kind = deliver.FoundDuplicate
		second, err := h.chart.Double(x.Reference())
		must(err)
		must(h.chart.Edit(second, another))
	case 6:
		edit(deliver.FoundEdited, "identifier", func(r map[string]any) { delete(r, "identifier") })
	case 7:
		edit(deliver.FoundEdited, "attachments", func(r map[string]any) {
			r["payload"] = append(r["payload"].([]any), map[string]any{"contentAttachment": map[string]any{"contentType": "application/pdf",
				"data": base64.StdEncoding.EncodeToString([]byte("another file"))}})
		})
	}
	return kind, differs
}

func identifiersOf(t *testing.T, x ehr.Stored) (out []string) {
	t.Helper()
	var r struct {
		Identifier []struct{ System, Value string }
	}
	if err := json.Unmarshal(x.Raw, &r); err != nil {
		t.Fatal(err)
	}
	for _, id := range r.Identifier {
		out = append(out, id.System+"|"+id.Value)
	}
	return out
}

// TestReconcileFinds spoils entries of the sandbox EHR in every way and wants each found within one sweep, and nothing
// else: over the socket while serve runs, and alone. -rots sets how many.
func TestReconcileFinds(t *testing.T) {
	const perThread = 10
	threads := (*rots+*rots/3)/perThread + 2
	h := newChartHouse(t, max(2, threads/2), ehr.Full())
	h.start(threads * perThread)
	for n := range threads {
		for seq := 1; seq <= perThread; seq++ {
			h.message(n%len(h.patients), n, seq)
		}
	}
	h.wait()
	if findings, reports := h.reconcile(h.began); len(findings) != 0 || reports[0].Entries != threads*(perThread+1) || reports[0].Moving != 0 {
		t.Fatalf("a chart that is as it was filed gave %v, %+v", findings, reports)
	}
	type fault struct {
		kind    deliver.FindingKind
		differs []string
	}
	want := map[string]fault{}
	for n, x := range h.chart.All("Communication") {
		var r struct{ PartOf []any }
		if err := json.Unmarshal(x.Raw, &r); err != nil {
			t.Fatal(err)
		}
		if len(r.PartOf) == 0 || n%4 == 3 || len(want) == *rots { // headers and every fourth stay
			continue
		}
		kind, differs := h.spoil(len(want), x)
		want[x.Reference()] = fault{kind, differs}
	}
	if len(want) != *rots {
		t.Fatalf("%d entries were spoiled, not %d", len(want), *rots)
	}
	check := func(how string) {
		findings, _ := h.reconcile(h.began)
		got, wrong := 0, 0
		for _, f := range findings {
			w, ok := want[f.Reference]
			if ok && w.kind == f.Kind && slices.Equal(w.differs, f.Differs) && f.Thread != "" && (f.Kind != deliver.FoundDuplicate || len(f.Others) == 1) {
				got++
				continue
			}
			wrong++
			t.Errorf("%s: a finding that was not asked for: %+v", how, f)
		}
		if got != len(want) {
			t.Errorf("%s: found %d of %d", how, got, len(want))
		}
		verdict := func(ok bool) string {
			if ok {
				return "ok"
			}
			return "short"
		}
		t.Logf("%s: %d entries", how, threads*(perThread+1))
		fmt.Printf("figure P6-found %d >=%d %s\nfigure P6-false %d =0 %s\n", got, len(want), verdict(got >= len(want)), wrong, verdict(wrong == 0))
	}
	check("while serve runs")
	h.close()
	check("alone")
}

// TestReconcileFindsWhatTheStoreDoesNotKnow: entries of ours that are in no table, on a known patient's chart and on one
// of whom nothing was ever filed.
func TestReconcileFindsWhatTheStoreDoesNotKnow(t *testing.T) {
	h := newChartHouse(t, 2, ehr.Full())
	h.start(1)
	h.message(0, 0, 1)
	h.wait()
	for n, patient := range h.patients {
		raw := fmt.Sprintf(`{"resourceType":"Communication","status":"completed","subject":{"reference":%q},"identifier":[{"system":%q,"value":"lost/m-%d"}],`+
			`"payload":[{"contentString":"Filed on the lost day."}]}`, patient, base+"/texting/message", n)
		if _, err := h.chart.Put([]byte(raw)); err != nil {
			t.Fatal(err)
		}
	}
	findings, _ := h.reconcile(clock.System.Now().Add(-time.Hour))
	if len(findings) != 2 || findings[0].Kind != deliver.FoundUnknown || findings[1].Kind != deliver.FoundUnknown {
		t.Errorf("found %+v", findings)
	}
}

// TestReconcileNamesTheAttemptThatCameAfterAll: a request is on its way for longer than settle. It is searched for, is not
// there, and is made again; then the first one arrives. Where the EHR takes every POST for a new entry only reconcile can
// tell, and it names both entries and the attempt.
func TestReconcileNamesTheAttemptThatCameAfterAll(t *testing.T) {
	late, arrived := make(chan struct{}), make(chan struct{})
	var held atomic.Bool
	h := newStagedHouse(t, 1, ehr.Options{Traits: ehr.SearchOnly(), Now: clock.System.Now,
		Before: func(r *http.Request) *ehr.Response {
			body, err := io.ReadAll(r.Body)
			if err != nil || r.Method != http.MethodPost || !strings.Contains(string(body), "Words 2 of thread 0.") {
				return nil
			}
			if held.CompareAndSwap(false, true) {
				<-late
			}
			return nil
		},
		After: func(r *http.Request, _ *ehr.Response) *ehr.Response {
			body, _ := io.ReadAll(r.Body)
			select {
			case <-late:
				if r.Method == http.MethodPost && strings.Contains(string(body), "Words 2 of thread 0.") {
					close(arrived)
				}
			default:
			}
			return nil
		}})
	h.start(2)
	h.message(0, 0, 1)
	h.message(0, 0, 2)
	h.wait()
	if findings, _ := h.reconcile(h.began); len(findings) != 0 {
		t.Errorf("before it arrived: %+v", findings)
	}
	close(late)
	<-arrived
	findings, _ := h.reconcile(h.began)
	if len(findings) != 1 || findings[0].Kind != deliver.FoundDuplicate || len(findings[0].Others) != 1 || findings[0].TakenOver != 1 || len(findings[0].Attempts) != 2 {
		t.Errorf("found %+v", findings)
	}
}

// TestReconcileNamesADuplicateNobodyFiled: the search after a lost answer finds two entries, so the exchange parks and the
// database knows neither as filed. Who reconciles is told all the same.
func TestReconcileNamesADuplicateNobodyFiled(t *testing.T) {
	lost := make(chan struct{})
	var once sync.Once
	h := newStagedHouse(t, 1, ehr.Options{Traits: ehr.SearchOnly(), Now: clock.System.Now,
		After: func(r *http.Request, _ *ehr.Response) (instead *ehr.Response) {
			body, _ := io.ReadAll(r.Body)
			if r.Method == http.MethodPost && strings.Contains(string(body), "Words 2 of thread 0.") {
				once.Do(func() { instead = &ehr.Response{Reset: true}; close(lost) })
			}
			return instead
		}})
	h.startParked(1)
	h.message(0, 0, 1)
	h.message(0, 0, 2)
	<-lost
	for _, x := range h.chart.All("Communication") {
		if strings.Contains(string(x.Raw), "Words 2 of thread 0.") {
			if _, err := h.chart.Double(x.Reference()); err != nil {
				t.Fatal(err)
			}
		}
	}
	h.wait()
	findings, reports := h.reconcile(h.began)
	if len(findings) != 1 || findings[0].Kind != deliver.FoundDuplicate || len(findings[0].Others) != 1 || findings[0].Item == "" {
		t.Errorf("found %+v; %+v", findings, reports)
	}
}
