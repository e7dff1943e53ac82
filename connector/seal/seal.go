// Package seal keeps the keys and does the encryption at rest: every value that
// came from a platform, an EHR or a person is sealed before it reaches the
// store, and looked up again by a keyed hash.
//
// Values are sealed with Tink's AEAD (AES-256-GCM, random 96-bit nonce) bound to
// the place they are stored in (AAD), so a value moved to another row, column,
// thread or EHR connection does not open. A random nonce is safe for 2³² values
// under one key; rotate long before that (at ten values an exchange, before the
// 400 millionth exchange).
package seal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Sealed values start with Tink's prefix: one byte of format, four of key id.
const (
	tinkPrefix     = 0x01
	prefixSize     = 5
	nonceAndTag    = 12 + 16
	lookupHashSize = 20
)

// LookupSize is the length of every Lookup: four bytes of key id and twenty of
// hash, enough that no two of 10¹² inputs meet by chance.
const LookupSize = 4 + lookupHashSize

// Overhead is how much longer a sealed value is than its plaintext, in bytes.
const Overhead = prefixSize + nonceAndTag

// Errors of Open and KeyID. None carries any byte of the value.
var (
	// ErrOpen: the value was altered, or was sealed for another place. It will
	// never open; treat as tampering, do not retry.
	ErrOpen = errors.New("sealed value does not open in this place: it was altered or moved")
	// ErrUnknownKey: sealed under a key this process does not hold. Reload the
	// keyset file (another process may have rotated) and try once more.
	ErrUnknownKey = errors.New("value is sealed under a key that is not in the keyset: reload the keyset file, or restore the one it was sealed with")
	// ErrNotSealed: the bytes are not a sealed value at all.
	ErrNotSealed = errors.New("not a sealed value")
)

// AAD is the place a sealed value belongs to. All five parts are authenticated,
// none is stored in the value. Table, Row and Column are never empty. Thread is
// empty for values that belong to no thread, EHR for those of the installation. A
// value whose row moves to another thread is opened there and sealed anew.
type AAD struct {
	EHR, Thread, Table, Row, Column string
}

// encode gives each distinct AAD a distinct byte string: a version, then each
// part after its length.
func (a AAD) encode() []byte {
	parts := [...]string{a.EHR, a.Thread, a.Table, a.Row, a.Column}
	return appendParts(make([]byte, 0, 128), "chartwire/aad/1", parts[:]...)
}

// appendParts appends label and parts, each after its length as four bytes, so
// that no two lists of parts give the same bytes.
func appendParts(b []byte, label string, parts ...string) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(label)))
	b = append(b, label...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(parts)))
	for _, p := range parts {
		b = binary.BigEndian.AppendUint32(b, uint32(len(p)))
		b = append(b, p...)
	}
	return b
}

// Sealer seals, opens and hashes with the keys of one keyset. It is safe for
// concurrent use, also while Reload runs. Make one with Load, Parse or Generate.
type Sealer struct {
	keys   atomic.Pointer[keyset]
	reload sync.Mutex // one Reload at a time: an older reading must not follow a newer
}

// Seal encrypts plain for the place aad names, under the primary key. The result
// is Overhead bytes longer than plain and carries its key id. It panics for a
// plaintext over 64 GiB or an aad with an empty Table, Row or Column, which are
// mistakes of the program.
func (s *Sealer) Seal(plain []byte, aad AAD) []byte {
	if aad.Table == "" || aad.Row == "" || aad.Column == "" {
		panic(fmt.Sprintf("seal: a value of table %q, column %q is sealed without its full place", aad.Table, aad.Column))
	}
	sealed, err := s.keys.Load().aead.Encrypt(plain, aad.encode())
	if err != nil {
		panic("seal: encrypting failed: the value is too large")
	}
	return sealed
}

// Open decrypts what Seal made for the same aad. The error is ErrOpen,
// ErrUnknownKey or ErrNotSealed.
func (s *Sealer) Open(sealed []byte, aad AAD) ([]byte, error) {
	id, err := KeyID(sealed)
	if err != nil {
		return nil, err
	}
	k := s.keys.Load()
	if !k.holds(id) {
		return nil, fmt.Errorf("%w (key %d)", ErrUnknownKey, id)
	}
	plain, err := k.aead.Decrypt(sealed, aad.encode())
	if err != nil {
		return nil, ErrOpen // Tink's own text adds nothing
	}
	return plain, nil
}

// KeyID says which key a value is sealed under, without opening it. The error is
// ErrNotSealed.
func KeyID(sealed []byte) (uint32, error) {
	if len(sealed) < Overhead || sealed[0] != tinkPrefix {
		return 0, ErrNotSealed
	}
	return binary.BigEndian.Uint32(sealed[1:prefixSize]), nil
}

// Lookup is the keyed hash under which a sealed value is found again: LookupSize
// bytes, equal for equal domain and parts, telling nothing about them without the
// key. The domain names what is looked up ("event", "patient"), so equal parts in
// two domains do not match. Normalise parts before (case, phone format).
func (s *Sealer) Lookup(domain string, parts ...string) []byte {
	k := s.keys.Load()
	out := make([]byte, 0, LookupSize)
	out = binary.BigEndian.AppendUint32(out, k.lookupID)
	return append(out, k.prf("chartwire/lookup/1/"+domain, parts...)[:lookupHashSize]...)
}

// Derive gives 32 secret bytes for a purpose, the same for the life of the
// keyset: an Ed25519 seed, a notify secret. Purposes are independent of each
// other and of every Lookup.
func (s *Sealer) Derive(purpose string) []byte {
	return s.keys.Load().prf("chartwire/derive/1", purpose)
}

// List describes every key, oldest first.
func (s *Sealer) List() []Key { return s.keys.Load().list() }

// Reload takes the keys of the file in path, after a rotation. It refuses, and
// keeps the keys it has, when the file lacks a key it holds or has another
// lookup key: values sealed with the one and hashes made with the other would be
// lost.
func (s *Sealer) Reload(path string) error {
	s.reload.Lock()
	defer s.reload.Unlock()
	b, err := readKeyset(path)
	if err != nil {
		return err
	}
	next, err := parse(b)
	if err != nil {
		return fmt.Errorf("keyset file %s: %w", path, err)
	}
	old := s.keys.Load()
	if next.lookupID != old.lookupID || string(next.prf("chartwire/same/1")) != string(old.prf("chartwire/same/1")) {
		return fmt.Errorf("keyset file %s has another lookup key: it belongs to another installation; keeping the keys in use", path)
	}
	for _, k := range old.list() {
		if k.Use == UseAEAD && !next.holds(k.ID) {
			return fmt.Errorf("keyset file %s lacks key %d, which has sealed values: restore it; keeping the keys in use", path, k.ID)
		}
	}
	s.keys.Store(next)
	return nil
}

// Load reads the keyset file that Init made. It refuses a file that others than
// its owner and group may read.
func Load(path string) (*Sealer, error) {
	b, err := readKeyset(path)
	if err != nil {
		return nil, err
	}
	s, err := Parse(b)
	if err != nil {
		return nil, fmt.Errorf("keyset file %s: %w", path, err)
	}
	return s, nil
}

// Parse reads a keyset from its JSON, for one that comes from elsewhere than a
// file. No error repeats any of its content.
func Parse(b []byte) (*Sealer, error) {
	k, err := parse(b)
	if err != nil {
		return nil, err
	}
	return newSealer(k), nil
}

// Generate makes a Sealer with fresh keys that live in memory only: for demos
// and tests. now becomes the keys' creation time.
func Generate(now time.Time) (*Sealer, error) {
	k, err := generate(now)
	if err != nil {
		return nil, err
	}
	return newSealer(k), nil
}

func newSealer(k *keyset) *Sealer {
	s := new(Sealer)
	s.keys.Store(k)
	return s
}

// readKeyset reads a keyset file after looking at who else may.
func readKeyset(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("keyset file: %w (chartwire keys init makes one)", err)
	}
	defer f.Close()
	if err := checkPrivate(f); err != nil {
		return nil, err
	}
	return readAll(f)
}
