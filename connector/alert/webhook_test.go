package alert_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/chartwire/chartwire/connector/alert"
	"github.com/chartwire/chartwire/connector/clock"
)

const secret = "whsec_dGhpcnR5LXR3byBieXRlcyBvZiBhbiBhbGVydCBrZXk="

func TestAlertsAreSignedAsStandardWebhooksHasIt(t *testing.T) {
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	status := http.StatusNoContent
	var body []byte
	far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, err = io.ReadAll(r.Body); err != nil {
			t.Error(err)
		}
		if err := verifier.Verify(body, r.Header); err != nil {
			t.Errorf("the signature is not good: %v", err)
		}
		if id := r.Header.Get("webhook-id"); id != "01N" {
			t.Errorf("webhook-id %q", id)
		}
		w.WriteHeader(status)
	}))
	defer far.Close()
	w, err := alert.NewWebhook(far.URL+"/hook?token=s3cret", secret, far.Client(), clock.System)
	if err != nil {
		t.Fatal(err)
	}
	n := alert.Notice{ID: "01N", Type: alert.Raised, At: clock.System.Now().UTC(), Alert: stalled("ehr/mercy")}
	if err := w.Tell(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	var sent struct {
		Type string      `json:"type"`
		At   time.Time   `json:"timestamp"`
		Data alert.Alert `json:"data"`
	}
	if err := json.Unmarshal(body, &sent); err != nil || sent.Type != alert.Raised || !sent.At.Equal(n.At) || sent.Data != n.Alert {
		t.Errorf("sent %s: %v", body, err)
	}
	status = http.StatusInternalServerError
	if err := w.Tell(t.Context(), n); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("a 500 gives %v", err)
	}
	far.Close()
	if err := w.Tell(t.Context(), n); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("no answer gives %v", err)
	}
	if _, err := alert.NewWebhook(far.URL, "not a secret", far.Client(), clock.System); err == nil {
		t.Error("a secret that is none was taken")
	}
}
