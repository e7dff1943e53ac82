package deliver_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/deliver"
	"github.com/chartwire/chartwire/connector/store"
)

// arrivals tells a benchmark when all messages are on the chart.
type arrivals struct {
	left chan struct{}
}

func (a arrivals) Attempted(string, string, connector.Reason) {}
func (a arrivals) Alarm(string, connector.Reason, string)     {}
func (a arrivals) Moved(_, _ string, i connector.Item) {
	if i.Kind == connector.ItemExchange && i.State == connector.Filed {
		a.left <- struct{}{}
	}
}

// BenchmarkDrain files b.N messages in threads of five, from a SQLite file (fsync on), into a chart that answers at once.
func BenchmarkDrain(b *testing.B) {
	w := newWorld(b)
	if err := w.store.Close(); err != nil {
		b.Fatal(err)
	}
	keys, _ := sealer()
	db, err := store.Open(context.Background(), "sqlite:"+filepath.Join(b.TempDir(), "bench.db"), store.Options{Sealer: keys, Clock: clock.System, Lease: lease})
	if err != nil {
		b.Fatal(err)
	}
	w.store.Store = db
	defer w.close()
	w.update(func(tx connector.Tx) error { return tx.PutEHR(connector.EHRRow{ID: ehrID, Name: "mercy"}) })
	w.chart.onFile = nil
	w.conn.Concurrent = 16
	for n := range b.N {
		w.acceptIn(fmt.Sprint("t-", n/5), said(fmt.Sprint("m", n), int64(n%5+1), "How long should I take the antibiotics?"))
	}
	a := arrivals{left: make(chan struct{}, b.N)}
	e, err := deliver.New(deliver.Options{Store: w.store, Clock: clock.System, Connections: []deliver.Connection{w.conn},
		Lines: []deliver.Line{w.line}, Observe: a})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	before := w.store.count()
	b.ResetTimer()
	start := time.Now()
	go func() { done <- e.Run(ctx) }()
	for range b.N {
		<-a.left
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "messages/s")
	b.ReportMetric(float64(w.store.count()-before)/float64(b.N), "commits/message")
	cancel()
	if err := <-done; err != nil {
		b.Error(err)
	}
}
