package demo

import (
	"os"
	"path/filepath"
	"testing"
)

// TestEpic plays the bundled threads into the sandbox as Epic: internal notes are left out, and the retraction, which such a chart
// cannot show, is parked for staff.
func TestEpic(t *testing.T) {
	s := play(t, Options{EHRType: "epic"})
	if s.Duplicates+s.OutOfOrder+s.WrongPatient+s.Unknown+s.Held != 0 || s.OnChart+s.NotDue+s.Parked != s.Accepted || s.OnChart == 0 {
		t.Fatalf("the chart is not what was sent: %+v", s)
	}
	if s.NotDue != 2 || s.Parked != 1 || s.Sent != 1 {
		t.Errorf("not due %d, parked %d, sent %d, want the 2 internal notes, the 1 retraction and the reply", s.NotDue, s.Parked, s.Sent)
	}
}

func TestEpicContractThread(t *testing.T) {
	s := play(t, Options{EHRType: "epic", Events: []string{"../../testdata/threads-contract/proxy-with-photo.ndjson"}})
	wantClean(t, s)
	if s.Accepted != 3 || s.Held+s.NotDue != 0 {
		t.Errorf("%+v, want the contract thread's 3 messages", s)
	}
}

// Faults at the EHR cost time and nothing else; the profile's traits and the faults go together.
func TestEpicFaults(t *testing.T) {
	script := filepath.Join(t.TempDir(), "faults.txt")
	if err := os.WriteFile(script, []byte("POST DocumentReference #4 429 retry-after=1\nPOST DocumentReference #6 expire-tokens\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantClean(t, play(t, Options{EHRType: "epic", Generate: "threads=4,messages=3,shuffle", Faults: script, Traits: "lag=1s"}))
}

// TestVendorThreads files the contract's thread as one note: where a note cannot be changed, and where it can.
func TestVendorThreads(t *testing.T) {
	for _, vendor := range []string{"epic", "oracle"} {
		s := play(t, Options{EHRType: vendor, As: "note", Per: "thread", Events: []string{"../../testdata/threads-contract/proxy-with-photo.ndjson"}})
		wantClean(t, s)
		if s.OnChart != 3 || s.Filed != 3 || s.Transcripts != 1 {
			t.Errorf("%s: %d on the chart and %d filed, want the contract thread's 3 messages in one entry, not %d", vendor, s.OnChart, s.Filed, s.Transcripts)
		}
	}
}

// TestThreadInVersions plays an urgent thread, which is told again and again: at Oracle Health the newest version stands alone. The
// internal notes, one of them the last message, are nowhere.
func TestThreadInVersions(t *testing.T) {
	s := play(t, Options{EHRType: "oracle", As: "note", Per: "thread", Events: []string{"../../testdata/threads/04-urgent-internal-retracted.ndjson"}})
	if s.Accepted != 7 || s.NotDue != 2 || s.OnChart != 5 || s.Transcripts != 1 || s.Parked+s.Held+s.Unknown+s.Duplicates+s.WrongPatient != 0 {
		t.Errorf("%+v, want 5 messages in one entry and 2 notes left out", s)
	}
}

// TestUrgentThreadThatKeepsItsEntries plays the same thread at Epic, where no note is changed: what was taken back shows so in the
// transcript that tells it, or is parked for staff, and never both.
func TestUrgentThreadThatKeepsItsEntries(t *testing.T) {
	s := play(t, Options{EHRType: "epic", Per: "thread", Events: []string{"../../testdata/threads/04-urgent-internal-retracted.ndjson"}})
	if s.Accepted != 7 || s.NotDue != 2 || s.OnChart+s.Parked != 5 || s.Parked > 1 || s.Filed != s.OnChart || s.Held+s.Unknown+s.Duplicates+s.WrongPatient != 0 {
		t.Errorf("%+v, want 5 messages in entries, the one taken back parked or shown so, and 2 notes left out", s)
	}
}
