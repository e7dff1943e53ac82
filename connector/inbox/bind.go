package inbox

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"

	"github.com/chartwire/chartwire/connector"
)

// mac is HMAC-SHA256 under the desk's key over what it is for and the parts, each after its length in four bytes, so that no
// two lists of parts give the same bytes.
func (d *Desk) mac(purpose string, parts ...string) string {
	h := hmac.New(sha256.New, d.o.Key)
	var size [4]byte
	for _, p := range append([]string{"chartwire/inbox/1/" + purpose}, parts...) {
		binary.BigEndian.PutUint32(size[:], uint32(len(p)))
		h.Write(size[:])
		h.Write([]byte(p))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// bind gives what a composer carries: it says that this session showed this thread of this patient, and gives the draft that the
// composer begins its id. thread "" is a new one.
func (d *Desk) bind(s *Session, patient, thread string) string {
	first := connector.NewID(d.now())
	return first + "." + d.bindOf(s, patient, thread, first)
}

func (d *Desk) bindOf(s *Session, patient, thread, first string) string {
	return d.mac("bind", s.EHRID, s.ID, patient, thread, first)
}

// bound says whether given is a bind of this session, patient and thread, in time that tells nothing about it, and gives the id of
// the draft that its composer begins. However often a composer is posted, it begins this one.
func (d *Desk) bound(s *Session, patient, thread, given string) (first string, ok bool) {
	first, mac, _ := strings.Cut(given, ".")
	return first, same(d.bindOf(s, patient, thread, first), mac)
}

// same compares two secrets in constant time. Nothing is the same as "".
func same(a, b string) bool { return a != "" && hmac.Equal([]byte(a), []byte(b)) }
