package audit

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/chartwire/chartwire/connector/seal"
)

// ErrCheckpoint: a checkpoint is not one that the log's key signed.
var ErrCheckpoint = errors.New("this is not a checkpoint signed by the log's key")

// Origin names the log of one EHR connection, in its checkpoints and its key;
// an empty id names the log of the installation.
func Origin(ehr string) string {
	if ehr == "" {
		return "chartwire/audit"
	}
	return "chartwire/audit/" + ehr
}

// Signer signs the checkpoints of one log with Ed25519.
type Signer struct {
	origin   string
	key      ed25519.PrivateKey
	vkey     string
	verifier note.Verifier
}

// NewSigner makes the signer of an EHR connection's log. Its key comes of the
// keyset and is the same as long as that lives.
func NewSigner(keys *seal.Sealer, ehr string) (*Signer, error) {
	origin := Origin(ehr)
	key := ed25519.NewKeyFromSeed(keys.Derive(origin))
	vkey, err := note.NewEd25519VerifierKey(origin, key.Public().(ed25519.PublicKey))
	if err != nil {
		return nil, fmt.Errorf("audit log %s: %w", origin, err)
	}
	v, err := NewVerifier(vkey)
	if err != nil {
		return nil, err
	}
	return &Signer{origin, key, vkey, v.v}, nil
}

// Verifier checks this signer's checkpoints.
func (s *Signer) Verifier() Verifier { return Verifier{s.origin, s.verifier} }

// VerifierKey is the public key in the form of a note's verifier key
// (name+hash+key), to be kept where the log cannot reach it.
func (s *Signer) VerifierKey() string { return s.vkey }

// noteSigner is Signer as golang.org/x/mod/sumdb/note wants it.
type noteSigner struct{ *Signer }

func (s noteSigner) Name() string                    { return s.origin }
func (s noteSigner) KeyHash() uint32                 { return s.verifier.KeyHash() }
func (s noteSigner) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.key, msg), nil }

// sign makes the checkpoint of a tree, as C2SP tlog-checkpoint writes it: origin,
// size, root hash in base64, then the signature.
func (s *Signer) sign(t tlog.Tree) ([]byte, error) {
	return note.Sign(&note.Note{Text: fmt.Sprintf("%s\n%d\n%s\n", s.origin, t.N, t.Hash)}, noteSigner{s})
}

// Verifier checks the checkpoints of one log with its public key.
type Verifier struct {
	origin string
	v      note.Verifier
}

// NewVerifier makes a Verifier of what VerifierKey gave.
func NewVerifier(vkey string) (Verifier, error) {
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return Verifier{}, errors.New("this is not the verifier key of an audit log (name+hash+key)")
	}
	return Verifier{v.Name(), v}, nil
}

// Open checks a checkpoint and gives its tree: how many records it covers and
// their root hash. The error is ErrCheckpoint. Further signatures (of witnesses)
// are allowed and not looked at.
func (v Verifier) Open(checkpoint []byte) (tlog.Tree, error) {
	n, err := note.Open(checkpoint, note.VerifierList(v.v))
	if err != nil {
		return tlog.Tree{}, ErrCheckpoint
	}
	lines := strings.SplitN(n.Text, "\n", 4)
	if len(lines) != 4 || lines[0] != v.origin {
		return tlog.Tree{}, fmt.Errorf("%w: it is of another log", ErrCheckpoint)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return tlog.Tree{}, fmt.Errorf("%w: it has no size", ErrCheckpoint)
	}
	hash, err := tlog.ParseHash(lines[2])
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("%w: it has no root hash", ErrCheckpoint)
	}
	return tlog.Tree{N: size, Hash: hash}, nil
}
