package inbox

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"github.com/chartwire/chartwire/connector"
)

// seenAs marks what a composer carries of what its page shows; a page of before this form has shown nothing.
const seenAs = "1."

// mark is four bytes that tell a revision of a message from the others of its thread. Ids say nothing of who was first: they are made
// by the clocks of replicas, which differ.
type mark [4]byte

func markOf(id string) mark {
	sum := sha256.Sum256([]byte(id))
	return mark(sum[:4])
}

// seenOf gives which messages a page shows, each in its newest revision; but no internal notes, which nobody collides with.
func seenOf(entries []Entry) string {
	var all []byte
	for _, e := range entries {
		if e.Direction != connector.Internal {
			m := markOf(e.ID)
			all = append(all, m[:]...)
		}
	}
	return seenAs + base64.RawURLEncoding.EncodeToString(all)
}

// readSeen reads what seenOf gave. What cannot be read says that nothing was seen.
func readSeen(seen string) map[mark]bool {
	out := map[mark]bool{}
	text, ok := strings.CutPrefix(seen, seenAs)
	all, err := base64.RawURLEncoding.DecodeString(text)
	if !ok || err != nil {
		return out
	}
	for ; len(all) >= len(mark{}); all = all[len(mark{}):] {
		out[mark(all[:len(mark{})])] = true
	}
	return out
}

// since gives the newest message, but no internal note, that a page has not shown.
func (c *content) since(seen string) *Collision {
	if seen == c.seen {
		return nil
	}
	var met *Collision
	known := readSeen(seen)
	for _, e := range c.entries {
		if e.Direction == connector.Internal || known[markOf(e.ID)] {
			continue
		}
		if met == nil || e.Received.After(met.When) {
			met = &Collision{Who: e.Sender, When: e.Received}
		}
	}
	return met
}
