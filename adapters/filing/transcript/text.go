package transcript

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// The text form is: a title and the facts about the thread; an empty line; then for each version of each message its
// title with the transcript's mark, its facts, the last of them "Text: <n> bytes", an empty line, exactly n bytes of the
// message's own words as one run, and an empty line; at the end a closing line with the mark.
//
// Facts are never empty and hold no line break, so the first empty line ends them whatever the words are, and the count
// says where the words end whatever they look like. That is for programs. A person does not count bytes: for them each
// title carries a mark that no message holds, so words that look like another message are seen to be words.
const (
	titleLine = "Secure message thread"
	titleOne  = "Secure message"
	markLine  = "Mark: "
	endLine   = "End of transcript"
)

// Text is the text form: UTF-8, its own lines ended by LF, each message's words byte for byte as they were sent. Words
// that are not UTF-8 are kept as they are too and make the whole not UTF-8: whoever files refuses such a message first.
func Text(t Transcript) []byte {
	blocks := t.blocks()
	return t.text(blocks, mark(t, blocks))
}

func (t Transcript) text(blocks []block, mark string) []byte {
	var b strings.Builder
	b.WriteString(t.title() + "\n")
	for _, l := range t.head() {
		b.WriteString(l.label + ": " + l.value + "\n")
	}
	fmt.Fprintf(&b, "%s%s (stands behind every line that begins a message, and in no message)\n\n", markLine, mark)
	for _, k := range blocks {
		fmt.Fprintf(&b, "%s [%s]\n", k.title(), mark)
		for _, l := range k.lines {
			b.WriteString(l.label + ": " + l.value + "\n")
		}
		fmt.Fprintf(&b, "%s\n\n%s\n\n", Length(k.words), k.words)
	}
	fmt.Fprintf(&b, "%s [%s]\n", endLine, mark)
	return []byte(b.String())
}

// title is the line the whole begins with.
func (t Transcript) title() string {
	if t.Single {
		return titleOne
	}
	return titleLine
}

// mark is eight hex digits that stand in none of the words and depend on nothing but the transcript. They come from a hash
// of everything, so nobody can write a message that holds them; where one does by chance, the next hash is taken.
func mark(t Transcript, blocks []block) string {
	return unsaid(sha256.Sum256(t.text(blocks, "")), blocks)
}

func unsaid(sum [sha256.Size]byte, blocks []block) string {
	for {
		m := hex.EncodeToString(sum[:4])
		if !holds(blocks, m) {
			return m
		}
		sum = sha256.Sum256(sum[:])
	}
}

func holds(blocks []block, mark string) bool {
	for _, b := range blocks {
		if strings.Contains(b.words, mark) {
			return true
		}
	}
	return false
}
