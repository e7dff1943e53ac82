//go:build crashpoints

package clock

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestAJumpFileMovesTheWallAlone(t *testing.T) {
	name := filepath.Join(t.TempDir(), "jump")
	t.Setenv(jumpFile, name)
	s := NewSteady()
	before := s.Now()
	if err := os.WriteFile(name, []byte("+24h\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if off := s.check().Round(time.Second); off != 24*time.Hour {
		t.Errorf("the wall is off by %v, want 24h", off)
	}
	if passed := s.Now().Sub(before); passed > time.Minute {
		t.Errorf("the steady clock moved by %v", passed)
	}
}
