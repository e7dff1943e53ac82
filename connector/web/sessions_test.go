package web_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/inbox"
	"github.com/chartwire/chartwire/connector/web"
)

// oneUser is a desk at which one user has two sessions. It notes who asked for what.
type oneUser struct {
	asked []string
	err   error
}

func (o *oneUser) UserSessions(_ context.Context, ehr, user, by string) ([]inbox.SignedIn, error) {
	o.asked = append(o.asked, "list "+ehr+" "+user+" "+by)
	return []inbox.SignedIn{{ID: "s1", EHR: "mercy", User: user, Role: connector.RoleStaff}}, o.err
}

func (o *oneUser) EndUser(_ context.Context, ehr, user, by string) (int, error) {
	o.asked = append(o.asked, "end "+ehr+" "+user+" "+by)
	return 2, o.err
}

func TestOperatorSeesAndEndsSessions(t *testing.T) {
	const okafor = "Practitioner/okafor"
	for name, tc := range map[string]struct {
		method, user, ehr string
		err               error
		status            int
		code, body, asked string
	}{
		"list":            {"GET", okafor, "", nil, 200, "", `"id":"s1"`, "list  " + okafor + " cli:ana"},
		"list at one EHR": {"GET", okafor, "mercy", nil, 200, "", `"role":"staff"`, "list mercy " + okafor + " cli:ana"},
		"end":             {"DELETE", "PractitionerRole/r.1-x", "mercy", nil, 200, "", `{"ended":2}`, "end mercy PractitionerRole/r.1-x cli:ana"},
		"no such EHR":     {"DELETE", okafor, "x", connector.ErrNotFound, 404, "ehr", "", "end x " + okafor + " cli:ana"},
		"the store fails": {"DELETE", okafor, "", errors.Join(connector.ErrStore), 503, "", "", "end  " + okafor + " cli:ana"},
		"nobody":          {"DELETE", "", "", nil, 400, "body", "", ""},
		"a name":          {"DELETE", "okafor", "", nil, 400, "body", "", ""},
		"a patient":       {"DELETE", "Patient/1", "", nil, 400, "body", "", ""},
		"more than an id": {"DELETE", okafor + "/_history/1", "", nil, 400, "body", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			desk := &oneUser{err: tc.err}
			rec := httptest.NewRecorder()
			req := httptest.NewRequest(tc.method, "/sessions?"+url.Values{"user": {tc.user}, "ehr": {tc.ehr}}.Encode(), nil)
			req.Header.Set("Chartwire-Operator", "ana")
			web.Sessions(slog.New(slog.DiscardHandler), desk).ServeHTTP(rec, req)
			if rec.Code != tc.status || !strings.Contains(rec.Body.String(), tc.body) || !strings.Contains(rec.Body.String(), tc.code) {
				t.Errorf("answered %d %s", rec.Code, rec.Body)
			}
			if strings.Join(desk.asked, ";") != tc.asked {
				t.Errorf("asked %q", desk.asked)
			}
		})
	}
	rec := httptest.NewRecorder()
	web.Sessions(slog.New(slog.DiscardHandler), &oneUser{}).ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/sessions?user="+okafor, nil))
	if rec.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST gives %d", rec.Code)
	}
}
