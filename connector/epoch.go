package connector

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Epoch is when the database was last known to be a restored backup. What it does not know as filed may be on the chart
// all the same: deliver looks before it writes (DESIGN §3.3).
type Epoch struct {
	N   int64     `json:"n"` // 0: never restored
	At  time.Time `json:"at,omitzero"`
	How string    `json:"how,omitempty"` // witness | operator
}

const metaEpoch = "epoch"

// ReadEpoch gives the epoch the database is in, zero where it was never restored.
func ReadEpoch(tx Tx) (Epoch, error) {
	text, err := tx.Meta(metaEpoch)
	if errors.Is(err, ErrNotFound) {
		return Epoch{}, nil
	}
	if err != nil {
		return Epoch{}, err
	}
	var e Epoch
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		return e, fmt.Errorf("the database's epoch cannot be read: %w", err)
	}
	return e, nil
}

// BeginEpoch says that the database is a backup restored at now, in the audit log of every EHR connection.
func BeginEpoch(tx Tx, how, agent string, ehrs []string, now time.Time) (Epoch, error) {
	e, err := ReadEpoch(tx)
	if err != nil {
		return e, err
	}
	e = Epoch{N: e.N + 1, At: now.UTC(), How: how}
	text, err := json.Marshal(e)
	if err != nil {
		return e, err
	}
	if err := tx.PutMeta(metaEpoch, string(text)); err != nil {
		return e, err
	}
	for _, ehr := range ehrs {
		if err := tx.Audit(AuditEntry{ID: NewID(now), EHR: ehr, At: now, Kind: "restored", Action: "E", Outcome: 8, Agent: agent,
			Detail: map[string]string{"epoch": fmt.Sprint(e.N), "how": how}}); err != nil {
			return e, err
		}
	}
	return e, nil
}
