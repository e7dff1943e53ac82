package config

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

// The bounds of a configuration file. They are far above any real one. The parser below recurses once for each key of
// a mapping and each level, in quadratic time, so what is over them is refused on the tokens, before it is parsed.
const (
	maxBytes       = 1 << 20
	maxDepth       = 32
	maxKeys        = 2000  // in one mapping
	maxAnchors     = 100   // in the file
	maxAliasValues = 10000 // values that exist only because an alias repeats them
)

// scan refuses what no configuration file holds, in time linear in its size: it returns false where parsing makes no
// sense any more.
func (l *loader) scan(b []byte) bool {
	if len(b) > maxBytes {
		l.whole(fmt.Sprintf("is larger than %s; a configuration is some kilobytes, is this the right file?", Size(maxBytes)))
		return false
	}
	if at, bad := textTrouble(b); bad != "" {
		l.add(Mistake, "$", at, bad)
		return false
	}
	tokens := lexer.Tokenize(string(b))
	s := scanner{loader: l}
	for _, t := range tokens {
		if !s.token(t) {
			return false
		}
	}
	return !s.refused
}

// textTrouble finds the first byte that is not UTF-8 or is a control character other than tab and line break. YAML
// forbids both; a NUL also makes some editors and logs end the line early, and a CR alone moves every line number.
func textTrouble(b []byte) (position, string) {
	at := position{line: 1}
	for text := range bytes.Lines(b) {
		at.column = 1
		for len(text) > 0 {
			r, n := utf8.DecodeRune(text)
			switch {
			case r == utf8.RuneError && n == 1:
				return at, "is not UTF-8 text here; save the file as UTF-8"
			case r < 0x20 && r != '\t' && r != '\n' && !bytes.HasPrefix(text, []byte("\r\n")) || r == 0x7f:
				return at, "holds a control character here; remove it"
			}
			text = text[n:]
			at.column++
		}
		at.line++
	}
	return position{}, ""
}

// scanner counts documents, levels and keys over the tokens of a file.
type scanner struct {
	*loader
	refused  bool
	anchors  int
	header   bool // a --- was seen
	content  bool // anything but comments was seen
	ended    bool // a ... was seen
	blocks   []block
	brackets []int // keys in each open [ or {
	previous *token.Token
}

// block is one open block collection: the column it stands at and the keys it has so far.
type block struct{ column, keys int }

func (s *scanner) token(t *token.Token) bool {
	at := position{t.Position.Line, t.Position.Column}
	defer func() { s.previous = t }()
	switch t.Type {
	case token.CommentType:
		return true
	case token.DocumentHeaderType:
		if s.header || s.content {
			return s.refuse(at, "a second YAML document starts here; write one document, without ---")
		}
		s.header = true
		return true
	case token.DocumentEndType:
		s.ended = true
		return true
	case token.DirectiveType:
		return s.refuse(at, "YAML directives are not used here; remove the line")
	case token.TagType:
		return s.refuse(at, "YAML tags are not used here; remove the word that starts with !")
	}
	if s.ended {
		return s.refuse(at, "something follows the end of the document; remove the ... above or what follows it")
	}
	s.content = true
	switch t.Type {
	case token.AnchorType:
		if s.anchors++; s.anchors > maxAnchors {
			return s.refuse(at, fmt.Sprintf("more than %d anchors; write the values out", maxAnchors))
		}
	case token.SequenceStartType, token.MappingStartType:
		s.brackets = append(s.brackets, 0)
	case token.SequenceEndType, token.MappingEndType:
		if n := len(s.brackets); n > 0 {
			s.brackets = s.brackets[:n-1]
		}
	case token.MappingValueType:
		return s.key(at)
	case token.SequenceEntryType, token.MappingKeyType:
		if len(s.brackets) == 0 {
			s.open(at.column)
		}
	}
	if len(s.brackets)+len(s.blocks) > maxDepth {
		return s.refuse(at, fmt.Sprintf("nested deeper than %d levels; a configuration needs no more than eight", maxDepth))
	}
	return true
}

// key counts one key, in the innermost bracket or in the block at the key's own column.
func (s *scanner) key(at position) bool {
	keys := 0
	if n := len(s.brackets); n > 0 {
		s.brackets[n-1]++
		keys = s.brackets[n-1]
	} else {
		if s.previous != nil {
			at = position{s.previous.Position.Line, s.previous.Position.Column}
		}
		b := s.open(at.column)
		b.keys++
		keys = b.keys
	}
	if keys > maxKeys {
		return s.refuse(at, fmt.Sprintf("more than %d keys in one group; is this the right file?", maxKeys))
	}
	if len(s.brackets)+len(s.blocks) > maxDepth {
		return s.refuse(at, fmt.Sprintf("nested deeper than %d levels; a configuration needs no more than eight", maxDepth))
	}
	return true
}

// open closes the blocks right of a column and opens one there.
func (s *scanner) open(column int) *block {
	for len(s.blocks) > 0 && s.blocks[len(s.blocks)-1].column > column {
		s.blocks = s.blocks[:len(s.blocks)-1]
	}
	if n := len(s.blocks); n == 0 || s.blocks[n-1].column < column {
		s.blocks = append(s.blocks, block{column: column})
	}
	return &s.blocks[len(s.blocks)-1]
}

func (s *scanner) refuse(at position, text string) bool {
	s.add(Mistake, "$", at, text)
	s.refused = true
	return false
}
