package ehr

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Identifier is a FHIR Identifier's system and value.
type Identifier struct{ System, Value string }

// Entry is one accepted write. The ledger is append-only and in commit order: it, not the client's own tables, says what
// reached the chart.
type Entry struct {
	Seq         int       // from 1, without gaps
	Time        time.Time // the commit's lastUpdated
	ClientID    string    // of the token; "" without authorization; "ehr" for a write by the EHR's own staff
	Method      string    // POST or PUT, in a transaction the entry's; DELETE by staff
	Transaction int       // the same number, from 1, on all entries of one transaction; 0 outside
	Type, ID    string
	Version     int
	Identifiers []Identifier
	Subject     string // the subject or patient reference, Type/id
	Fault       string // what the write met, "" for nothing
	SHA256      string // hex, of the body as received; in a transaction of the entry's resource as received
}

// Ledger returns a copy of every accepted write by a client or by the EHR's own staff, seeds not counted.
func (s *Server) Ledger() []Entry {
	s.catchUp()
	s.mu.RLock()
	defer s.mu.RUnlock()
	return append([]Entry(nil), s.ledger...)
}

func (s *Server) record(clientID, method string, tx int, v *version, body []byte) {
	sum := sha256.Sum256(body)
	e := Entry{
		Seq: len(s.ledger) + 1, Time: v.at, ClientID: clientID, Method: method, Transaction: tx, Type: v.typ, ID: v.id,
		Version: v.num, SHA256: hex.EncodeToString(sum[:]), Subject: v.subject(),
	}
	for _, val := range v.values["identifier"] {
		e.Identifiers = append(e.Identifiers, Identifier{System: val.system, Value: val.code})
	}
	s.ledger = append(s.ledger, e)
}
