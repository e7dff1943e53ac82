package seal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	tinkkeyset "github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/prf"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// Use says what a key is for.
type Use string

const (
	// UseAEAD seals values. There are as many as there were rotations, plus one.
	UseAEAD Use = "aead"
	// UseLookup makes the keyed hashes and derived secrets. There is one, for
	// ever: see Rotate.
	UseLookup Use = "lookup"
)

// Key describes one key without its secret.
type Key struct {
	ID      uint32    `json:"id"`
	Use     Use       `json:"use"`
	Primary bool      `json:"primary"` // seals new values; the others only open old ones
	Status  string    `json:"status"`  // enabled, disabled or destroyed, as Tink says it
	Created time.Time `json:"created"` // UTC; zero where the file does not say
}

// Age is how old the key is at now; zero where its creation is not known.
func (k Key) Age(now time.Time) time.Duration {
	if k.Created.IsZero() {
		return 0
	}
	return now.Sub(k.Created)
}

// file is the JSON form of a keyset: two Tink keysets in clear, and when each of
// their keys was made, which Tink does not keep.
type file struct {
	AEAD    json.RawMessage      `json:"aead"`
	Lookup  json.RawMessage      `json:"lookup"`
	Created map[string]time.Time `json:"created"` // key id in decimal → UTC
}

// keyset is an immutable set of keys, ready for use.
type keyset struct {
	aead     tink.AEAD
	prfs     *prf.Set
	lookupID uint32
	ids      []uint32 // enabled AEAD keys; few, so a scan beats a map

	aeadHandle, lookupHandle *tinkkeyset.Handle
	created                  map[string]time.Time
}

func (k *keyset) holds(id uint32) bool { return slices.Contains(k.ids, id) }

// prf gives 32 bytes of HMAC-SHA256 over the label and parts.
func (k *keyset) prf(label string, parts ...string) []byte {
	out, err := k.prfs.ComputePrimaryPRF(appendParts(make([]byte, 0, 128), label, parts...), 32)
	if err != nil {
		panic("seal: HMAC-SHA256 refused 32 bytes of output") // asked for exactly its size
	}
	return out
}

func generate(now time.Time) (*keyset, error) {
	a, err := tinkkeyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, errors.New("no AES-256-GCM key could be made")
	}
	l, err := tinkkeyset.NewHandle(prf.HMACSHA256PRFKeyTemplate())
	if err != nil {
		return nil, errors.New("no HMAC-SHA256 key could be made")
	}
	created := map[string]time.Time{}
	for _, h := range []*tinkkeyset.Handle{a, l} {
		created[idText(h.KeysetInfo().GetPrimaryKeyId())] = now.UTC().Truncate(time.Second)
	}
	return newKeyset(a, l, created)
}

// rotated is k with a fresh primary AEAD key.
func (k *keyset) rotated(now time.Time) (*keyset, uint32, error) {
	m := tinkkeyset.NewManagerFromHandle(k.aeadHandle)
	id, err := m.Add(aead.AES256GCMKeyTemplate())
	if err == nil {
		err = m.SetPrimary(id)
	}
	if err != nil {
		return nil, 0, errors.New("no new AES-256-GCM key could be added")
	}
	h, err := m.Handle()
	if err != nil {
		return nil, 0, errors.New("the keyset with the new key is not usable")
	}
	created := map[string]time.Time{idText(id): now.UTC().Truncate(time.Second)}
	for old, at := range k.created {
		created[old] = at
	}
	next, err := newKeyset(h, k.lookupHandle, created)
	return next, id, err
}

func newKeyset(a, l *tinkkeyset.Handle, created map[string]time.Time) (*keyset, error) {
	k := &keyset{aeadHandle: a, lookupHandle: l, created: created}
	var err error
	if k.aead, err = aead.New(a); err != nil {
		return nil, errors.New(`"aead" holds a key of another kind`)
	}
	if k.prfs, err = prf.NewPRFSet(l); err != nil {
		return nil, errors.New(`"lookup" holds a key of another kind`)
	}
	k.lookupID = k.prfs.PrimaryID
	for _, info := range a.KeysetInfo().GetKeyInfo() {
		if info.GetTypeUrl() != aead.AES256GCMKeyTemplate().GetTypeUrl() || info.GetOutputPrefixType().String() != "TINK" {
			return nil, fmt.Errorf(`"aead" key %d is not an AES-GCM key that marks its values with its id`, info.GetKeyId())
		}
		if info.GetStatus().String() == "ENABLED" {
			k.ids = append(k.ids, info.GetKeyId())
		}
	}
	for _, info := range l.KeysetInfo().GetKeyInfo() {
		if info.GetTypeUrl() != prf.HMACSHA256PRFKeyTemplate().GetTypeUrl() {
			return nil, fmt.Errorf(`"lookup" key %d is not an HMAC PRF key`, info.GetKeyId())
		}
	}
	if n := len(l.KeysetInfo().GetKeyInfo()); n != 1 {
		return nil, fmt.Errorf(`"lookup" has %d keys; it has exactly one for ever`, n)
	}
	return k, nil
}

// parse reads the JSON form. Tink's and encoding/json's error texts may quote
// the input, which is key material, so none of them is passed on.
func parse(b []byte) (*keyset, error) {
	var f file
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil || dec.More() {
		return nil, errors.New("is not a keyset: want one JSON object with aead, lookup and created")
	}
	a, err := readHandle(f.AEAD)
	if err != nil {
		return nil, errors.New(`"aead" is not a Tink keyset in JSON`)
	}
	l, err := readHandle(f.Lookup)
	if err != nil {
		return nil, errors.New(`"lookup" is not a Tink keyset in JSON`)
	}
	if f.Created == nil {
		f.Created = map[string]time.Time{}
	}
	return newKeyset(a, l, f.Created)
}

func readHandle(b []byte) (*tinkkeyset.Handle, error) {
	return insecurecleartextkeyset.Read(tinkkeyset.NewJSONReader(bytes.NewReader(b)))
}

// marshal writes the JSON form. The result is secret.
func (k *keyset) marshal() ([]byte, error) {
	f := file{Created: k.created}
	for _, part := range []struct {
		h   *tinkkeyset.Handle
		out *json.RawMessage
	}{{k.aeadHandle, &f.AEAD}, {k.lookupHandle, &f.Lookup}} {
		var b bytes.Buffer
		if err := insecurecleartextkeyset.Write(part.h, tinkkeyset.NewJSONWriter(&b)); err != nil {
			return nil, errors.New("the keyset could not be written as JSON")
		}
		*part.out = b.Bytes()
	}
	out, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return nil, errors.New("the keyset could not be written as JSON")
	}
	return append(out, '\n'), nil
}

func (k *keyset) list() []Key {
	var keys []Key
	for _, part := range []struct {
		h   *tinkkeyset.Handle
		use Use
	}{{k.lookupHandle, UseLookup}, {k.aeadHandle, UseAEAD}} {
		info := part.h.KeysetInfo()
		for _, ki := range info.GetKeyInfo() {
			keys = append(keys, Key{
				ID: ki.GetKeyId(), Use: part.use,
				Primary: ki.GetKeyId() == info.GetPrimaryKeyId(),
				Status:  statusText(ki.GetStatus().String()),
				Created: k.created[idText(ki.GetKeyId())],
			})
		}
	}
	slices.SortStableFunc(keys, func(a, b Key) int { return a.Created.Compare(b.Created) })
	return keys
}

func statusText(tinkStatus string) string {
	switch tinkStatus {
	case "ENABLED":
		return "enabled"
	case "DISABLED":
		return "disabled"
	default:
		return "destroyed"
	}
}

func idText(id uint32) string { return strconv.FormatUint(uint64(id), 10) }
