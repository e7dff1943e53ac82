package storetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/chartwire/chartwire/connector"
)

var commitCases = []testCase{
	{"an error rolls back its own function alone", func(f *fixture) {
		const calls = 60
		var wg sync.WaitGroup
		for n := range calls {
			wg.Go(func() {
				key := fmt.Sprint(f.ehr, n)
				err := f.s.Update(f.Context(), fmt.Sprint(n%7), func(tx connector.Tx) error {
					if err := tx.PutMeta(key, "x"); err != nil {
						return err
					}
					switch n % 4 {
					case 1:
						return errOn
					case 2:
						_, err := tx.Meta("not there")
						return err
					}
					return nil
				})
				want := []error{nil, errOn, connector.ErrNotFound, nil}[n%4]
				if !errors.Is(err, want) || want == nil && err != nil {
					f.Errorf("call %d: %v, want %v", n, err, want)
				}
			})
		}
		wg.Wait()
		f.view(func(tx connector.Tx) error {
			for n := range calls {
				_, err := tx.Meta(fmt.Sprint(f.ehr, n))
				if kept := err == nil; kept != (n%4 == 0 || n%4 == 3) {
					f.Errorf("call %d: kept %v", n, kept)
				}
			}
			return nil
		})
	}},
	{"the error comes back as it is", func(f *fixture) {
		if err := f.s.Update(f.Context(), "s", func(connector.Tx) error { return errOn }); err != errOn {
			f.Errorf("Update = %v, want the function's own error", err)
		}
		if err := f.s.View(f.Context(), func(connector.Tx) error { return errOn }); err != errOn {
			f.Errorf("View = %v, want the function's own error", err)
		}
	}},
	{"a panic is an error of its function alone", func(f *fixture) {
		var wg sync.WaitGroup
		for n := range 20 {
			wg.Go(func() {
				err := f.s.Update(f.Context(), fmt.Sprint(n), func(tx connector.Tx) error {
					if err := tx.PutMeta(fmt.Sprint("panic", f.ehr, n), "x"); err != nil {
						return err
					}
					if n%2 == 0 {
						panic("Ada Öz")
					}
					return nil
				})
				if (err == nil) != (n%2 == 1) {
					f.Errorf("call %d: %v", n, err)
				}
				if err != nil && errors.Is(err, connector.ErrStore) {
					f.Errorf("call %d: a panic came back as ErrStore", n)
				}
			})
		}
		wg.Wait()
		f.view(func(tx connector.Tx) error {
			absent[string](f, "what the panicking one wrote")(tx.Meta("panic" + f.ehr + "0"))
			same(f, "what its neighbour wrote", "x")(tx.Meta("panic" + f.ehr + "1"))
			return nil
		})
		if err := f.s.View(f.Context(), func(connector.Tx) error { panic("x") }); err == nil {
			f.Error("a panicking View succeeded")
		}
	}},
	{"one caller's calls are seen in order by the next", func(f *fixture) {
		key := "seq" + f.ehr
		for n := range 30 {
			f.update(func(tx connector.Tx) error { return tx.PutMeta(key, strconv.Itoa(n)) })
			f.view(func(tx connector.Tx) error { same(f, "Meta", strconv.Itoa(n))(tx.Meta(key)); return nil })
		}
	}},
	{"increments from many shards lose nothing", func(f *fixture) {
		const workers, each = 8, 15
		th := f.thread("count")
		th.NextSeq = 0
		f.update(func(tx connector.Tx) error { return tx.PutThread(&th) })
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() {
				for range each {
					err := f.s.Update(f.Context(), fmt.Sprint("w", w), func(tx connector.Tx) error {
						t, err := tx.Thread(f.ehr, th.ID)
						if err != nil {
							return err
						}
						t.NextSeq++
						return tx.PutThread(&t)
					})
					if err != nil {
						f.Errorf("Update: %v", err)
					}
				}
			})
		}
		wg.Wait()
		f.view(func(tx connector.Tx) error {
			t, err := tx.Thread(f.ehr, th.ID)
			if t.NextSeq != workers*each || t.Version != workers*each+1 {
				f.Errorf("counted to %d, version %d; want %d and %d", t.NextSeq, t.Version, workers*each, workers*each+1)
			}
			return err
		})
	}},
	{"a call whose context is over does not run", func(f *fixture) {
		ctx, cancel := context.WithCancelCause(f.Context())
		cancel(errOn)
		if err := f.s.Update(ctx, "s", func(connector.Tx) error { f.Error("it ran"); return nil }); !errors.Is(err, errOn) {
			f.Errorf("Update = %v, want the context's cause", err)
		}
		if err := f.s.View(ctx, func(connector.Tx) error { f.Error("it ran"); return nil }); !errors.Is(err, errOn) {
			f.Errorf("View = %v, want the context's cause", err)
		}
		// One that is queued behind another of its shard leaves without having run.
		inside, free := make(chan struct{}), make(chan struct{})
		first := make(chan error, 1)
		go func() {
			first <- f.s.Update(f.Context(), "s", func(connector.Tx) error { close(inside); <-free; return nil })
		}()
		<-inside
		ctx, cancel = context.WithCancelCause(f.Context())
		second := make(chan error, 1)
		go func() {
			second <- f.s.Update(ctx, "s", func(connector.Tx) error { f.Error("it ran"); return nil })
		}()
		cancel(errOn)
		if err := <-second; !errors.Is(err, errOn) {
			f.Errorf("Update = %v, want the context's cause", err)
		}
		close(free)
		if err := <-first; err != nil {
			f.Errorf("Update: %v", err)
		}
	}},
	{"ping", func(f *fixture) {
		for range 3 {
			if err := f.s.Ping(f.Context()); err != nil {
				f.Errorf("Ping: %v", err)
			}
		}
	}},
}
