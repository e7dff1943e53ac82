package bench

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"sync"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/seal"
	"github.com/chartwire/chartwire/connector/store"
)

// backlog fills a connector's database with threads as they are left by an EHR that was away: accepted, bound to their
// patients, nothing filed.
type backlog struct {
	db  *store.DB
	ehr string
	n   int // threads made
}

// seeder opens the database of a connector that has been started once and stopped.
func (b *bench) seeder(ctx context.Context, c *served, url string) (*backlog, error) {
	keys, err := seal.Load(filepath.Join(c.dir, keyset))
	if err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, url, store.Options{Sealer: keys})
	if err != nil {
		return nil, err
	}
	s := &backlog{db: db}
	err = db.View(ctx, func(tx connector.Tx) error {
		row, err := tx.EHRByName("bench")
		s.ehr = row.ID
		return err
	})
	return s, err
}

const (
	perThread = 10   // exchanges of a thread of the backlog
	perLoad   = 1000 // threads in one COPY
)

// fill adds threads, on two processors.
func (s *backlog) fill(ctx context.Context, threads int, one func(tx connector.Tx, n int) error) error {
	var wg sync.WaitGroup
	chunks := make(chan [2]int)
	errs := make([]error, 2)
	for w := range errs {
		wg.Go(func() {
			for c := range chunks {
				if errs[w] != nil {
					continue
				}
				errs[w] = s.db.Load(ctx, func(tx connector.Tx) error {
					for n := c[0]; n < c[1]; n++ {
						if err := one(tx, n); err != nil {
							return err
						}
					}
					return nil
				})
			}
		})
	}
	for from := s.n; from < s.n+threads; from += perLoad {
		chunks <- [2]int{from, min(from+perLoad, s.n+threads)}
	}
	close(chunks)
	wg.Wait()
	s.n += threads
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// thread makes a thread bound to a patient of its own.
func (s *backlog) thread(n int, at time.Time) connector.Thread {
	ext := fmt.Sprintf("open-t%06d", n)
	return connector.Thread{ID: connector.NewID(at), EHR: s.ehr, Channel: "texting", Ext: ext, CreatedAt: at,
		Info:    connector.ThreadInfo{ID: ext, Subject: "Home blood pressure", Topic: "clinical"},
		Patient: connector.PatientKey{Identifiers: []connector.Identifier{{System: "urn:oid:2.16.840.1.113883.19.5", Value: fmt.Sprintf("GEN%06d", n)}}},
		Bound:   connector.Binding{Reference: fmt.Sprintf("Patient/GEN%06d", n), At: at, How: "trusted"}}
}

func (s *backlog) item(t *connector.Thread, kind connector.ItemKind, state connector.ItemState, at time.Time) connector.Item {
	return connector.Item{ID: connector.NewID(at), EHR: s.ehr, Thread: t.ID, Lane: connector.LaneChart, Kind: kind, State: state,
		Channel: t.Channel, SentAt: at, CommittedAt: at, ChangedAt: at}
}

// pending makes a thread with a header and ten messages that wait to be filed.
func (s *backlog) pending(tx connector.Tx, n int) error {
	at := now().UTC().Truncate(time.Microsecond)
	t := s.thread(n, at)
	header := s.item(&t, connector.ItemHeader, connector.Waiting, at)
	t.Header = header.ID
	if err := tx.PutItem(&header); err != nil {
		return err
	}
	for k := 1; k <= perThread; k++ {
		m := connector.MessageRow{ID: connector.NewID(at), EHR: s.ehr, Thread: t.ID, Revision: 1, ReceivedAt: at, Message: connector.Message{
			ID: fmt.Sprintf("m-%d", k), Sequence: int64(k), Direction: connector.FromPatient, SentAt: at,
			Sender:     connector.Participant{Role: connector.RolePatient, ID: "u-1", Name: "Daniel Cho"},
			Recipients: []connector.Participant{{Role: connector.RolePool, ID: "nurse-triage", Name: "Nurse triage"}},
			Text:       "Good morning, my readings this week were 142/91, 138/88 and 145/90. Should I be worried?"}}
		if err := tx.PutMessage(&m); err != nil {
			return err
		}
		i := s.item(&t, connector.ItemExchange, connector.Waiting, at)
		i.Message, i.MsgKey, i.Revision, i.Direction, i.Sequence = m.ID, m.Message.ID, 1, connector.FromPatient, int64(k)
		if err := tx.PutItem(&i); err != nil {
			return err
		}
	}
	if err := tx.PutThread(&t); err != nil {
		return err
	}
	return tx.TouchLane(s.ehr, t.ID, connector.LaneChart, at, connector.Routine)
}

// open makes a thread that is open and idle: its header is filed, nothing is due.
func (s *backlog) open(tx connector.Tx, n int) error {
	at := now().UTC().Truncate(time.Microsecond)
	t := s.thread(n, at)
	header := s.item(&t, connector.ItemHeader, connector.Filed, at)
	t.Header = header.ID
	if err := tx.PutItem(&header); err != nil {
		return err
	}
	if err := tx.PutThread(&t); err != nil {
		return err
	}
	return tx.TouchLane(s.ehr, t.ID, connector.LaneChart, time.UnixMicro(math.MaxInt64), connector.Routine)
}
