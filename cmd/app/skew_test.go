package app

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestSkewIsToldOnceAnHour(t *testing.T) {
	var out bytes.Buffer
	at := time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC)
	tell := skewLog(slog.New(slog.NewTextHandler(&out, nil)), func() time.Time { return at }, "clinic")
	for range 3 {
		tell(-2 * time.Hour)
		at = at.Add(25 * time.Minute)
	}
	if n := strings.Count(out.String(), "ehr=clinic ehr_ahead=-2h0m0s"); n != 1 {
		t.Errorf("told %d times:\n%s", n, out.String())
	}
	at = at.Add(time.Hour)
	if tell(time.Minute); !strings.Contains(out.String(), "ehr_ahead=1m0s") {
		t.Errorf("never told again:\n%s", out.String())
	}
}
