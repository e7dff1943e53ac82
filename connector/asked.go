package connector

import (
	"errors"
	"fmt"
	"time"
)

// AskedMost is the longest Retry-After of an EHR that is heeded.
const AskedMost = time.Hour

func askedKey(ehr string) string { return "asked/" + ehr }

// ReadAsked gives until when an EHR asked for no requests, zero where it never did. It may lie more than AskedMost ahead
// where the clock was set back since; whoever heeds it waits no longer than that.
func ReadAsked(tx Tx, ehr string) (time.Time, error) {
	text, err := tx.Meta(askedKey(ehr))
	if errors.Is(err, ErrNotFound) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	until, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("until when EHR %s asked for no requests cannot be read: %w", ehr, err)
	}
	return until, nil
}

// PutAsked writes down, for a later process and for other replicas, that an EHR asked at now for no requests until a time.
// A later time that was asked for before stays, unless no Retry-After can have meant it.
func PutAsked(tx Tx, ehr string, until, now time.Time) error {
	before, err := ReadAsked(tx, ehr)
	if err != nil {
		return err
	}
	most := now.Add(AskedMost)
	if until.After(most) {
		until = most
	}
	if !before.After(most) && !until.After(before) {
		return nil
	}
	return SetAsked(tx, ehr, until)
}

// SetAsked is PutAsked whatever was asked for before.
func SetAsked(tx Tx, ehr string, until time.Time) error {
	return tx.PutMeta(askedKey(ehr), until.UTC().Format(time.RFC3339Nano))
}
