package inbox

import (
	"testing"
	"testing/synctest"
	"time"
)

// A session whose process has died is ended by another one, with its audit row and its tokens; one that is used elsewhere goes on.
func TestRunEndsWhatAnotherProcessLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		left := []*Session{}
		for range leftAtOnce + 1 {
			s, _ := w.launch("")
			left = append(left, s)
		}
		used, handle := w.launch("")
		w.said()
		other := w.replica()
		ctx, stop := withCancel(t.Context())
		done := make(chan error)
		go func() { done <- other.Run(ctx) }()
		for range 19 { // to the first look at which they can be told from sessions in use
			time.Sleep(touch - time.Second) // seen in this process, and written every other time
			if _, err := w.desk.Session(t.Context(), used.ID, handle); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		for _, s := range left {
			if k := w.row(s.ID); Why(k.row.Why) != EndedIdle || k.body.Grant.Refresh != "" {
				t.Fatalf("a session that was left goes on, or keeps its tokens: %q", k.row.Why)
			}
		}
		stop()
		<-done
		ended := 0
		for _, line := range w.said() {
			if line == "logout 0 worker why=idle" {
				ended++
			}
		}
		if ended != len(left) {
			t.Errorf("%d ends were audited, want %d", ended, len(left))
		}
		if _, err := w.desk.Session(t.Context(), used.ID, handle); err != nil {
			t.Errorf("the one in use: %v", err)
		}
	})
}
