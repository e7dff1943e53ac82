//go:build unix

package ingest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/ingest"
	"github.com/chartwire/chartwire/connector/seal"
	"github.com/chartwire/chartwire/connector/store"
	"github.com/chartwire/chartwire/connector/store/pgtest"
)

// TestReplicas gives the same events to two processes on one Postgres at once, as a platform's load balancer may.
func TestReplicas(t *testing.T) {
	worlds := replicas(t)
	const threads = 6
	var all []connector.Event
	for n := range threads {
		for _, ev := range story() {
			ev.Key, ev.Thread = fmt.Sprintf("%d-%s", n, ev.Key), &connector.ThreadInfo{ID: fmt.Sprintf("t-%d", n)}
			all = append(all, ev)
		}
	}
	fresh := make(chan bool, 4*len(all))
	var wg sync.WaitGroup
	for r, w := range worlds {
		mine := append(append([]connector.Event{}, all...), all...)
		rng := rand.New(rand.NewPCG(uint64(r), 3))
		rng.Shuffle(len(mine), func(i, j int) { mine[i], mine[j] = mine[j], mine[i] })
		for _, ev := range mine {
			wg.Go(func() {
				res, err := w.in.Accept(context.Background(), w.ch, ev)
				if err != nil {
					t.Errorf("replica %d, %s: %v", r, ev.Key, err)
				}
				fresh <- !res.Repeat
			})
		}
	}
	wg.Wait()
	close(fresh)
	taken := 0
	for f := range fresh {
		if f {
			taken++
		}
	}
	if taken != len(all) {
		t.Errorf("%d events were new, want %d", taken, len(all))
	}
	first := ""
	for n := range threads {
		ext := fmt.Sprintf("t-%d", n)
		got := strings.ReplaceAll(normal(worlds[0].picture(ext)), ext, "t")
		if first == "" {
			first = got
		}
		if got != first {
			t.Errorf("thread %s ends in\n%sthe first in\n%s", ext, got, first)
		}
	}
}

// TestReplicasTakeOneHandover lets the echo, news and the thread's own first event race for a thread of ours.
func TestReplicasTakeOneHandover(t *testing.T) {
	worlds := replicas(t)
	for n := range 10 {
		ext := fmt.Sprintf("t-%d", n)
		c := worlds[0].compose(worlds[0].draft(""))
		var wg sync.WaitGroup
		for k, ev := range []connector.Event{
			echo("e1", ext, c.Client, "m-1", 1), echo("e2", ext, c.Client, "m-1", 1), news("n1", c.Client, connector.Sent, time.Hour),
			news("n2", "m-1", connector.Delivered, 2*time.Hour), said("s1", "m-2", 2, "Thank you"), said("s2", "m-3", 3, "Bye"),
		} {
			ev.Key, ev.Thread = fmt.Sprintf("%d-%s", n, ev.Key), &connector.ThreadInfo{ID: ext}
			w := worlds[k%2]
			wg.Go(func() {
				if _, err := w.in.Accept(context.Background(), w.ch, ev); err != nil {
					t.Errorf("%s: %v", ev.Key, err)
				}
			})
		}
		wg.Wait()
		m, exchanges := worlds[1].row(c.Message), worlds[1].itemsOf(ext, connector.ItemExchange)
		if m.Message.ID != "m-1" || m.Delivery.State != connector.Delivered || m.Thread != worlds[1].thread(ext).ID || len(exchanges) != 3 {
			t.Errorf("row %s %s, %d exchanges", m.Message.ID, m.Delivery.State, len(exchanges))
		}
	}
}

// replicas gives two worlds on one database.
func replicas(t *testing.T) []*world {
	t.Helper()
	url := pgtest.New(t)
	sealer, err := seal.Generate(start)
	if err != nil {
		t.Fatal(err)
	}
	ehrID = connector.NewID(start)
	var out []*world
	for range 2 {
		c := clock.NewFake(start)
		db, err := store.Open(t.Context(), url, store.Options{Sealer: sealer, Clock: c})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		w := &world{t: t, store: &spy{Store: db}, clock: c, ch: ingest.Channel{Name: "texting", EHR: ehrID, DefaultPool: "nurse-triage"}}
		w.in = ingest.New(w.store, c.Now)
		out = append(out, w)
	}
	out[0].update(func(tx connector.Tx) error { return tx.PutEHR(connector.EHRRow{ID: ehrID, Name: ehrID}) })
	return out
}
