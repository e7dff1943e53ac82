package transcript

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
)

// Said is one version of one message as the text form holds it.
type Said struct {
	Message int // from 1, in the order shown
	Version int // 1 as first sent, higher for corrections
	Words   []byte
}

var (
	marked  = regexp.MustCompile(`^Mark: ([0-9a-f]{8}) `)
	heading = regexp.MustCompile(`^Message ([1-9][0-9]{0,8}) of ([1-9][0-9]{0,8})(?:, version ([1-9][0-9]{0,8}) \(correction\))? \[([0-9a-f]{8})\]$`)
)

// Words cuts every message's own words out of a text form, in the order shown. The result shares memory with text. false
// says that text is not a whole transcript as Text writes it (any more); the words are then altered or cut off, and the
// caller must not take any of them for what was said.
func Words(text []byte) ([]Said, bool) {
	head, rest, ok := bytes.Cut(text, []byte("\n\n"))
	if !ok || !bytes.HasPrefix(head, []byte(titleLine+"\n")) && !bytes.HasPrefix(head, []byte(titleOne+"\n")) {
		return nil, false
	}
	m := marked.FindSubmatch(lastLine(head))
	if m == nil {
		return nil, false
	}
	mark := string(m[1])
	var all []Said
	of := 0
	for {
		if string(rest) == fmt.Sprintf("%s [%s]\n", endLine, mark) {
			if len(all) > 0 && all[len(all)-1].Message != of {
				return nil, false
			}
			return all, true
		}
		var said Said
		var total int
		if said, total, rest, ok = next(rest, mark); !ok || !follows(all, said) || len(all) > 0 && total != of {
			return nil, false
		}
		all, of = append(all, said), total
	}
}

// next reads one block.
func next(text []byte, mark string) (said Said, of int, rest []byte, ok bool) {
	head, rest, ok := bytes.Cut(text, []byte("\n\n"))
	if !ok {
		return said, 0, nil, false
	}
	title, _, _ := bytes.Cut(head, []byte("\n"))
	m := heading.FindSubmatch(title)
	if m == nil || string(m[4]) != mark {
		return said, 0, nil, false
	}
	said.Message, of, said.Version = number(m[1]), number(m[2]), max(number(m[3]), 1)
	n, ok := Follow(lastLine(head))
	if !ok || n > len(rest) || !bytes.HasPrefix(rest[n:], []byte("\n\n")) {
		return said, 0, nil, false
	}
	said.Words = rest[:n:n]
	return said, of, rest[n+2:], true
}

// follows says whether a block may stand behind those before it: the next message's first version, or a later version of
// the same message.
func follows(before []Said, s Said) bool {
	if len(before) == 0 {
		return s.Message == 1 && s.Version == 1
	}
	last := before[len(before)-1]
	return s.Message == last.Message+1 && s.Version == 1 || s.Message == last.Message && s.Version > last.Version
}

func lastLine(head []byte) []byte { return head[bytes.LastIndexByte(head, '\n')+1:] }

// number reads digits a pattern has already let through; nothing is 0.
func number(digits []byte) int {
	n, _ := strconv.Atoi(string(digits))
	return n
}
