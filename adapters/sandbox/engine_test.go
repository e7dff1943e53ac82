package sandbox_test

import (
	"context"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/hl7"
	"github.com/chartwire/chartwire/adapters/hl7/mllp"
	"github.com/chartwire/chartwire/adapters/sandbox"
	"github.com/chartwire/chartwire/adapters/sandbox/engine"
)

// TestEngine: the standard's own sample message is filed over a socket.
func TestEngine(t *testing.T) {
	patient := engine.Patient{Ref: "Patient/daniel", Identifiers: []hl7.CX{{ID: "MRN123", Authority: hl7.HD{Namespace: "HOSP_A"}}}}
	e, err := sandbox.StartEngine(t.Context(), "", engine.Options{Now: time.Now, Patients: []engine.Patient{patient}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	addr, ok := strings.CutPrefix(e.URL(), "mllp://127.0.0.1:")
	if !ok {
		t.Fatalf("the engine is at %s", e.URL())
	}
	c := mllp.NewClient(mllp.ClientConfig{Dial: func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", "127.0.0.1:"+addr)
	}})
	t.Cleanup(c.Close)
	sample, err := os.ReadFile("../../testdata/hl7/mdm-t02.hl7")
	if err != nil {
		t.Fatal(err)
	}
	a, err := c.Send(t.Context(), []byte(strings.ReplaceAll(string(sample), "\n", "\r")))
	if err != nil || a.Application.Code != hl7.AckAA || len(e.Documents()) != 1 || len(e.Documents()[0].Files) != 1 {
		t.Errorf("%+v, %v", a.Application, err)
	}
	if _, err := sandbox.StartEngine(t.Context(), "127.0.0.1:"+addr, engine.Options{Now: time.Now}); err == nil {
		t.Error("two engines on one port")
	}
	if _, err := sandbox.StartEngine(t.Context(), "", engine.Options{}); err == nil {
		t.Error("an engine without a clock")
	}
}
