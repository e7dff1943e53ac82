package rig

import (
	"context"
	"testing"
	"time"
)

// TestWorld runs the real processes once on each store, and once with threads as one entry, kills them in the middle, and finds
// everything on the chart.
func TestWorld(t *testing.T) {
	ctx := context.Background()
	binary, err := Build(ctx, t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]Options{SQLite: {Store: SQLite}, Postgres: {Store: Postgres}, "threads": {Store: SQLite, Per: "thread"}} {
		t.Run(name, func(t *testing.T) {
			o.Binary = binary
			w, err := New(ctx, o)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := w.Close(nil); err != nil {
					t.Error(err)
				}
			}()
			if err := w.Up(ctx); err != nil {
				t.Fatal(err)
			}
			if err := w.Send(ctx, Load{Threads: 10, Replies: 5, Closes: o.Per != ""}); err != nil {
				t.Fatal(err)
			}
			w.Kill()
			if !w.Replicas[0].Killed() {
				t.Error("the process was not killed")
			}
			if err := w.Up(ctx); err != nil {
				t.Fatal(err)
			}
			if s, err := w.Settle(ctx, time.Minute); err != nil || s.Accepted() != 42 {
				t.Fatalf("settled as %v, %v", s, err)
			}
			var samples Samples
			w.Sample(ctx, &samples)
			if samples.Taken != 1 || len(samples.Broken) != 0 {
				t.Errorf("conservation: %+v", samples)
			}
			if v := w.Judge(); !v.Clean() || v.Acked != 42 || v.OnChart != 42 {
				t.Error(v)
			}
		})
	}
}
