package validate

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// maxDepth is far deeper than any resource we send and far less than what costs stack.
const maxDepth = 64

// node is one JSON value with what the checks need. raw is its text in the body.
type node struct {
	kind  byte // '{' '[' '"' '0' (number) 't' 'f' 'n'
	raw   []byte
	keys  []string
	vals  map[string]*node
	items []*node
}

// get walks object fields; nil where one is missing. It is safe on nil.
func (n *node) get(path ...string) *node {
	for _, key := range path {
		if n == nil || n.kind != '{' {
			return nil
		}
		n = n.vals[key]
	}
	return n
}

// list is the elements of an array, none for anything else.
func (n *node) list() []*node {
	if n == nil {
		return nil
	}
	return n.items
}

// text is the value of a JSON string, "" for anything else.
func (n *node) text() string {
	if n == nil || n.kind != '"' {
		return ""
	}
	var s string
	if json.Unmarshal(n.raw, &s) != nil {
		return ""
	}
	return s
}

func (n *node) resourceType() string { return n.get("resourceType").text() }

// isElementName says whether a key may be an element's: ^_?[A-Za-z][A-Za-z0-9]{0,63}$, without what a pattern costs for
// each key of each resource.
func isElementName(key string) bool {
	key = strings.TrimPrefix(key, "_")
	for i := range len(key) {
		c := key[i]
		if letter := c|0x20 >= 'a' && c|0x20 <= 'z'; !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return key != "" && len(key) <= 64
}

// child names an element for a path. A key that cannot be an element name may be anything, so
// it is not repeated.
func child(path, key string) string {
	if !isElementName(key) {
		key = "(not an element name)"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// parser reads JSON that json.Valid has accepted.
type parser struct {
	b []byte
	i int
}

func parse(b []byte) (*node, *Problem) {
	p := &parser{b: b}
	root, problem := p.value("", 0)
	if problem != nil {
		return nil, problem
	}
	if root.kind != '{' {
		return nil, &Problem{Text: "the body is not a JSON object"}
	}
	return root, nil
}

func (p *parser) space() {
	for p.i < len(p.b) && (p.b[p.i] == ' ' || p.b[p.i] == '\n' || p.b[p.i] == '\t' || p.b[p.i] == '\r') {
		p.i++
	}
}

func (p *parser) value(path string, depth int) (*node, *Problem) {
	p.space()
	start := p.i
	n := &node{}
	var problem *Problem
	switch c := p.b[p.i]; {
	case depth > maxDepth:
		return nil, &Problem{Path: path, Text: fmt.Sprintf("nested more than %d deep", maxDepth)}
	case c == '{':
		n.kind = '{'
		problem = p.object(n, path, depth)
	case c == '[':
		n.kind = '['
		problem = p.array(n, path, depth)
	case c == '"':
		n.kind = '"'
		problem = p.str(path)
	default:
		n.kind = c
		if c == '-' || (c >= '0' && c <= '9') {
			n.kind = '0'
		}
		for p.i < len(p.b) && !isDelimiter(p.b[p.i]) {
			p.i++
		}
	}
	n.raw = p.b[start:p.i]
	return n, problem
}

func isDelimiter(c byte) bool {
	switch c {
	case ',', '}', ']', ' ', '\n', '\t', '\r':
		return true
	}
	return false
}

func (p *parser) object(n *node, path string, depth int) *Problem {
	n.vals = map[string]*node{}
	p.i++
	for {
		p.space()
		switch p.b[p.i] {
		case '}':
			p.i++
			return nil
		case ',':
			p.i++
			continue
		}
		start := p.i
		if problem := p.str(path); problem != nil {
			return problem
		}
		key := (&node{kind: '"', raw: p.b[start:p.i]}).text()
		p.space()
		p.i++ // ':'
		if _, dup := n.vals[key]; dup {
			return &Problem{Path: child(path, key), Text: "the key is there twice"}
		}
		v, problem := p.value(child(path, key), depth+1)
		if problem != nil {
			return problem
		}
		n.keys = append(n.keys, key)
		n.vals[key] = v
	}
}

func (p *parser) array(n *node, path string, depth int) *Problem {
	p.i++
	for {
		p.space()
		switch p.b[p.i] {
		case ']':
			p.i++
			return nil
		case ',':
			p.i++
			continue
		}
		v, problem := p.value(index(path, len(n.items)), depth+1)
		if problem != nil {
			return problem
		}
		n.items = append(n.items, v)
	}
}

// str moves past a string and refuses lone surrogates, which decoders replace silently.
func (p *parser) str(path string) *Problem {
	lone := &Problem{Path: path, Text: "a string holds half of a surrogate pair"}
	high := false
	for p.i++; p.b[p.i] != '"'; p.i++ {
		if p.b[p.i] != '\\' {
			if high {
				return lone
			}
			continue
		}
		p.i++
		isHigh, isLow := false, false
		if p.b[p.i] == 'u' {
			r, _ := strconv.ParseUint(string(p.b[p.i+1:p.i+5]), 16, 32)
			isHigh, isLow = r >= 0xD800 && r < 0xDC00, r >= 0xDC00 && r < 0xE000
			p.i += 4
		}
		if high != isLow {
			return lone
		}
		high = isHigh
	}
	p.i++
	if high {
		return lone
	}
	return nil
}
