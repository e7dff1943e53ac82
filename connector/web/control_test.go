package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/deliver"
	"github.com/chartwire/chartwire/connector/web"
)

// noEHR is an EHR that nobody asks anything.
type noEHR struct{ connector.EHR }

// operate asks the control socket's handler.
func (w *world) operate(method, path string, body ...string) answer {
	w.t.Helper()
	rec := httptest.NewRecorder()
	req := httptest.NewRequest(method, path, strings.NewReader(strings.Join(body, "")))
	req.Header.Set("Chartwire-Operator", "ana")
	engine, err := deliver.New(deliver.Options{Store: w.store, Clock: w.clock, Connections: []deliver.Connection{{ID: mercy, EHR: noEHR{}}, {ID: county, EHR: noEHR{}}}})
	if err != nil {
		w.t.Fatal(err)
	}
	web.Control(web.Operator{Store: w.store, Clock: w.clock, Log: slog.New(slog.DiscardHandler), Engine: engine, EHRs: []string{mercy, county},
		Audit: func(context.Context) (any, error) { return []any{}, nil }}).ServeHTTP(rec, req)
	a := answer{status: rec.Code, header: rec.Header(), body: rec.Body.Bytes()}
	if a.status >= 400 {
		a.into(w.t, &a.problem)
	}
	return a
}

func TestOperatorTraces(t *testing.T) {
	w := asked(t)
	for _, id := range []string{"t-1", "m-1", w.thread("texting", "t-1").ID} {
		a := w.operate(http.MethodGet, "/trace?id="+id).want(t, 200, "")
		if !strings.Contains(string(a.body), w.thread("texting", "t-1").ID) {
			t.Errorf("%s: %s", id, a.body)
		}
		if row := w.store.last(t); row.Agent != "cli:ana" || row.Action != "R" || row.Thread == "" {
			t.Errorf("audited as %s by %s", row.Kind, row.Agent)
		}
	}
	w.operate(http.MethodGet, "/trace?id=nothing").want(t, 404, "thread")
}

func TestOperatorDecidesAboutWhatIsParked(t *testing.T) {
	w := asked(t)
	if a := w.operate(http.MethodGet, "/parked").want(t, 200, ""); strings.TrimSpace(string(a.body)) != "[]" {
		t.Errorf("nothing parked is %s", a.body)
	}
	th := w.thread("texting", "t-1")
	var item connector.Item
	w.update(func(tx connector.Tx) error {
		items, err := tx.ThreadItems(mercy, th.ID)
		for _, i := range items {
			if i.Kind == connector.ItemExchange {
				i.State, i.Reason = connector.Parked, connector.EHRRefused
				item = i
				return tx.PutItem(&i)
			}
		}
		return err
	})
	a := w.operate(http.MethodGet, "/parked").want(t, 200, "")
	var list []json.RawMessage
	a.into(t, &list)
	if len(list) != 1 || !strings.Contains(string(a.body), connector.EHRRefused.Next()) {
		t.Errorf("the list is %s", a.body)
	}
	act := func(act, id string, yes bool) string {
		return fmt.Sprintf(`{"act":%q,"select":{"ids":[%q]},"yes":%t}`, act, id, yes)
	}
	says := func(a answer, will deliver.Will, done bool) {
		t.Helper()
		var got deliver.Answer
		a.want(t, 200, "").into(t, &got)
		if len(got.Items) != 1 || got.Items[0].Will != will || got.Done != done || got.Count[will] != 1 {
			t.Errorf("answered %s, want %s", a.body, will)
		}
	}
	says(w.operate(http.MethodPost, "/parked", act("replay", item.ID, false)), deliver.WillWrite, false)
	if len(w.parked()) != 1 {
		t.Fatal("a dry run changed something")
	}
	says(w.operate(http.MethodPost, "/parked", act("replay", item.ID, true)), deliver.WillWrite, true)
	if row := w.store.last(t); row.Kind != "admin" || row.Agent != "cli:ana" || row.Item != item.ID || row.Detail["from"] != "parked" || row.Detail["to"] != "waiting" {
		t.Errorf("audited as %+v", row)
	}
	if len(w.parked()) != 0 {
		t.Error("it is still parked")
	}
	w.operate(http.MethodPost, "/parked", act("replay", item.ID, true)).want(t, 409, "address")
	w.operate(http.MethodPost, "/parked", act("release", item.ID, true)).want(t, 409, "address")
	w.operate(http.MethodPost, "/parked", act("release", "nothing", true)).want(t, 404, "address")
	w.operate(http.MethodPost, "/parked", `{"act":"release","everything":true}`).want(t, 400, "body")
	w.operate(http.MethodGet, "/parked?ehr=nobody").want(t, 404, "address")
	w.operate(http.MethodGet, "/parked?older=old").want(t, 400, "body")

	w.post("e-2", said("t-1", "m-1", "u-1", "Other words")).want(t, 202, "") // a conflict has no work behind it
	conflict := w.parked()[0]
	says(w.operate(http.MethodPost, "/parked", act("replay", conflict.ID, true)), deliver.Refused, true)
	says(w.operate(http.MethodPost, "/parked", act("release", conflict.ID, true)), deliver.WillLeave, true)
	if len(w.parked()) != 0 {
		t.Error("a released item is still parked")
	}
}

func TestOperatorPauses(t *testing.T) {
	w := newWorld(t)
	paused := func() (r connector.Reason) {
		w.view(func(tx connector.Tx) error {
			row, err := tx.EHR(mercy)
			r = row.Paused
			return err
		})
		return r
	}
	w.operate(http.MethodPost, "/ehrs/mercy/pause").want(t, 204, "")
	if paused() != connector.EHRPaused {
		t.Errorf("paused for %q", paused())
	}
	w.post("e-1", said("t-1", "m-1", "u-1", "It itches")).want(t, 202, "") // events are still taken
	w.operate(http.MethodPost, "/ehrs/mercy/resume").want(t, 204, "")
	if paused() != "" {
		t.Errorf("still paused for %q", paused())
	}
	w.operate(http.MethodPost, "/ehrs/nobody/pause").want(t, 404, "ehr")
	if row := w.store.last(t); row.Kind != "admin" || row.Agent != "cli:ana" {
		t.Errorf("audited as %s by %s", row.Kind, row.Agent)
	}
}

// TestOperatorIsNotPublic: none of it is served on a listener, and a failing store is an answer.
func TestOperatorIsNotPublic(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/trace?id=t-1", "/parked", "/parked/x/replay", "/ehrs/mercy/pause"} {
		w.do(http.MethodGet, path, "").want(t, 404, "address")
		w.console(http.MethodGet, path).want(t, 404, "address")
		w.console(http.MethodPost, path).want(t, 404, "address")
	}
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	w.operate(http.MethodGet, "/trace?id=t-1").want(t, 503, "store")
	w.operate(http.MethodGet, "/parked").want(t, 503, "store")
	w.operate(http.MethodPost, "/ehrs/mercy/pause").want(t, 503, "store")
}
