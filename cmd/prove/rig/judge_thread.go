package rig

import (
	"fmt"
	"strconv"
	"strings"
)

// transcript takes down the messages of a thread that is filed as one entry, from a version that stands: what was superseded says
// nothing any more. A message then stands where it should, and once, if the thread's newest version tells it and no other one that
// stands does. value is thread/vN.
func (j *judge) transcript(e entry, value, status string) {
	if status != "current" {
		return
	}
	blocks, whole := cut(e.text)
	if !whole {
		j.v.Strangers++
		j.say("%s is no whole transcript", e.ref)
		return
	}
	thread := value[:max(0, strings.LastIndexByte(value, '/'))]
	for n, b := range blocks {
		j.said(entry{ref: e.ref, created: e.created<<20 + n, message: thread + "/" + b.id, subject: e.subject, text: b.words, late: b.late, alone: true})
	}
}

// block is one message of a transcript.
type block struct {
	id, words string
	late      bool
}

// cut takes a transcript apart as docs/transcript.md says a reader does, sharing no code with what wrote it; false where it is not
// whole.
func cut(text string) (all []block, whole bool) {
	_, rest, ok := strings.Cut(text, "\n\n")
	for n := 1; ok; n++ {
		if strings.HasPrefix(rest, "End of transcript [") {
			return all, true
		}
		head, after, found := strings.Cut(rest, "\n\n")
		lines := strings.Split(head, "\n")
		count, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(lines[len(lines)-1], "Text: "), " bytes"))
		if !found || err != nil || count < 0 || count+2 > len(after) || !strings.HasPrefix(head, fmt.Sprintf("Message %d of ", n)) {
			break
		}
		b := block{words: after[:count]}
		for _, l := range lines {
			if id, is := strings.CutPrefix(l, "Id: "); is {
				b.id = id
			}
			b.late = b.late || strings.HasPrefix(l, "Note: Filed out of sequence")
		}
		all, rest = append(all, b), after[count+2:]
	}
	return nil, false
}
