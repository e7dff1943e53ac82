package store

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/chartwire/chartwire/connector"
)

// TestAHeldPatientChangesAfterTheCommit: several replicas may hold one patient at once, and what another says of them is committed
// when all of these commits are.
func TestAHeldPatientChangesAfterTheCommit(t *testing.T) {
	dbs := replicas(t, 3)
	put := func(db *DB, born string) error {
		return db.Update(t.Context(), "adt/E", func(tx connector.Tx) error {
			return tx.PutADTPatient(connector.ADTPatient{EHR: "E", Reference: "Patient/A", BirthDate: born,
				Identifiers: []connector.ADTIdentifier{{Reference: "Patient/A"}}})
		})
	}
	if err := put(dbs[0], "1980-01-01"); err != nil {
		t.Fatal(err)
	}
	var holding, over atomic.Int32
	both, held, changed := make(chan struct{}), make(chan error, 2), make(chan error, 1)
	for i, db := range dbs[:2] {
		go func() {
			held <- db.Update(t.Context(), fmt.Sprint("thread ", i), func(tx connector.Tx) error {
				for n := range 200 { // round trips enough for a change that does not wait
					all, err := tx.HoldADTPatients("E", "Patient/A")
					if err != nil || len(all) != 1 || all[0].BirthDate != "1980-01-01" {
						return fmt.Errorf("%d patients, changed %t: %w", len(all), len(all) == 1 && all[0].BirthDate != "1980-01-01", err)
					}
					if n == 0 {
						if holding.Add(1) == 2 {
							close(both)
						}
						<-both
					}
				}
				over.Add(1)
				return nil
			})
		}()
	}
	<-both
	go func() {
		err := put(dbs[2], "1980-01-02")
		if n := over.Load(); n != 2 {
			err = errors.Join(err, fmt.Errorf("the patient was changed when %d of 2 that held them were over", n))
		}
		changed <- err
	}()
	for range 2 {
		if err := <-held; err != nil {
			t.Error(err)
		}
	}
	if err := <-changed; err != nil {
		t.Error(err)
	}
}
