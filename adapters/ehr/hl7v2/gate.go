package hl7v2

import (
	"fmt"
	"strings"

	"github.com/chartwire/chartwire/adapters/hl7"
	"github.com/chartwire/chartwire/connector"
)

// kind is the type of every write of this adapter.
const kind = "MDM"

// Gate reads the bytes that would leave as a receiver does, and refuses what the standard or the write itself is broken by: a
// required field that is not given, a header that is another write's, a symbol where a name must stand.
func (e *EHR) Gate(w connector.Write) error {
	d, err := read(w.Body)
	if err != nil {
		return refusedByGate(err.Error())
	}
	if _, err := d.Message(); err != nil { // what the standard requires
		return refusedByGate(err.Error())
	}
	if d.Header.ControlID != connector.ControlID(w.Identity) {
		return refusedByGate("MSH-10 is not that of the write's identity")
	}
	for place, value := range map[string]string{
		"PID-3": d.Patient.Identifiers[0].ID, "PV1-19": d.Visit.Visit.ID, "TXA-12": d.TXA.Document.ID, "TXA-13": d.TXA.Parent.ID,
	} {
		if strings.HasPrefix(value, "{") && strings.HasSuffix(value, "}") {
			return refusedByGate(place + " is a symbol nothing is known for")
		}
	}
	return nil
}

func refusedByGate(sentence string) error {
	return &connector.Refused{Reason: connector.GateRefused, Detail: connector.Protect(sentence)}
}

// read reads a message of ours, whatever its size: what one exchange holds is limited where it comes in.
func read(body []byte) (hl7.MDM, error) {
	if len(body) == 0 || body[len(body)-1] != '\r' {
		return hl7.MDM{}, fmt.Errorf("the message is cut short: its last segment does not end")
	}
	size := len(body)
	m, err := hl7.Parse(body, hl7.Options{MaxBytes: size, MaxSegments: size, MaxParts: size})
	if err != nil {
		return hl7.MDM{}, err
	}
	return hl7.ReadMDM(m)
}
