package config

import (
	"errors"
	"fmt"
	"slices"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	yaml "github.com/goccy/go-yaml"
)

// kind is what a YAML value is, in the words of an administrator.
type kind string

const (
	kindNull    kind = "nothing"
	kindText    kind = "a text"
	kindInteger kind = "a whole number"
	kindFloat   kind = "a number"
	kindBool    kind = "true or false"
	kindList    kind = "a list"
	kindMap     kind = "a group of keys"
)

// node is one value of the file, with anchors, aliases and merges resolved: the parser's own tree keeps them, and its
// decoder stops at the first problem.
type node struct {
	kind    kind
	text    string  // of a scalar, unquoted
	entries []entry // of a map
	items   []*node // of a list
	at      position
	size    int // values in this tree, aliases counted each time
}

// entry is one key of a map with its value.
type entry struct {
	key    string
	at     position
	value  *node
	merged bool // came in by <<
}

// position is a place in the file, from 1; line 0 is the whole file.
type position struct{ line, column int }

// get returns the value of a key, or nil.
func (n *node) get(key string) *node {
	for _, e := range n.entries {
		if e.key == key {
			return e.value
		}
	}
	return nil
}

// parse turns the file into nodes. It returns nil for a file without content or with a syntax error, which it reports:
// after one, nothing below can be trusted to be where it seems.
func (l *loader) parse(b []byte) *node {
	if !l.scan(b) {
		return nil
	}
	file, err := parseYAML(b)
	if err != nil {
		var syntax *yaml.SyntaxError
		if errors.As(err, &syntax) && syntax.Token != nil {
			p := syntax.Token.Position
			l.add(Mistake, "$", position{p.Line, max(p.Column, 1)}, "is not YAML here: "+syntax.Message+"; check indentation, quotes and brackets on this line and the one above")
		} else {
			l.whole("is not YAML; check indentation, quotes and brackets")
		}
		return nil
	}
	t := tree{loader: l, anchors: map[string]*node{}}
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if n := t.node(doc.Body, "$"); n != nil && n.kind != kindNull {
			return n
		}
	}
	if len(l.problems) == 0 {
		l.whole("is empty; start from chartwire.example.yaml")
	}
	return nil
}

// parseYAML is the library's parser. A panic in it is its bug on a file that is no configuration: the administrator
// gets a sentence, not a stack trace.
func parseYAML(b []byte) (file *ast.File, err error) {
	defer func() {
		if recover() != nil {
			file, err = nil, errors.New("the YAML parser gave up")
		}
	}()
	return parser.ParseBytes(b, 0, parser.AllowDuplicateMapKey())
}

// tree converts the parser's nodes.
type tree struct {
	*loader
	anchors  map[string]*node
	repeated int // values that exist only because of aliases
	bomb     bool
}

func tokenAt(t *token.Token) position {
	if t == nil || t.Position == nil {
		return position{}
	}
	return position{t.Position.Line, max(t.Position.Column, 1)}
}

// node converts one value; nil where it reported a problem instead.
func (t *tree) node(n ast.Node, path string) *node {
	out := &node{at: tokenAt(n.GetToken()), size: 1}
	switch n := n.(type) {
	case *ast.NullNode:
		out.kind = kindNull
	case *ast.StringNode:
		out.kind, out.text = kindText, n.Value
	case *ast.LiteralNode:
		out.kind, out.text = kindText, n.Value.Value
	case *ast.IntegerNode:
		out.kind, out.text = kindInteger, fmt.Sprint(n.Value)
	case *ast.FloatNode:
		out.kind, out.text = kindFloat, n.Token.Value
	case *ast.InfinityNode, *ast.NanNode:
		out.kind, out.text = kindFloat, n.GetToken().Value
	case *ast.BoolNode:
		out.kind, out.text = kindBool, fmt.Sprint(n.Value)
	case *ast.SequenceNode:
		t.list(out, n, path)
	case *ast.MappingNode:
		t.mapping(out, n.Values, path)
	case *ast.MappingValueNode:
		t.mapping(out, []*ast.MappingValueNode{n}, path)
	case *ast.AnchorNode:
		value := t.node(n.Value, path)
		if value != nil && n.Name != nil {
			t.anchors[n.Name.GetToken().Value] = value
		}
		return value
	case *ast.AliasNode:
		return t.alias(n, path)
	default:
		t.add(Mistake, path, out.at, "this kind of YAML is not used here; write a text, a number, a list or keys")
		return nil
	}
	return out
}

// alias returns the value of *name. What aliases repeat is bounded over the whole file, so that ten lines cannot stand
// for a billion values.
func (t *tree) alias(n *ast.AliasNode, path string) *node {
	where, name := tokenAt(n.GetToken()), n.Value.GetToken().Value
	value, ok := t.anchors[name]
	if !ok {
		t.add(Mistake, path, where, fmt.Sprintf("*%s has no anchor above it; write &%s at the value it stands for, or quote the text", clip(name), clip(name)))
		return nil
	}
	if t.repeated += value.size; t.repeated > maxAliasValues {
		if !t.bomb {
			t.add(Mistake, path, where, fmt.Sprintf("aliases repeat more than %d values; write the values out", maxAliasValues))
		}
		t.bomb = true
		return nil
	}
	return value
}

func (t *tree) list(out *node, n *ast.SequenceNode, path string) {
	out.kind = kindList
	for i, v := range n.Values {
		// A refused item stays in its place, so that the paths of those after it are right.
		item := t.node(v, index(path, i))
		if item == nil {
			item = &node{at: tokenAt(v.GetToken()), size: 1}
		}
		out.items = append(out.items, item)
		out.size += item.size
	}
}

func (t *tree) mapping(out *node, values []*ast.MappingValueNode, path string) {
	out.kind = kindMap
	first := map[string]position{}
	var merges []*node
	for i, v := range values {
		where := tokenAt(v.Key.GetToken())
		if i == 0 {
			out.at = where // of its first key, not of the colon or brace
		}
		if v.Key.IsMergeKey() {
			merges = append(merges, t.node(v.Value, path))
			continue
		}
		key, ok := v.Key.(*ast.StringNode)
		if !ok {
			t.add(Mistake, path, where, "a key has to be a text; put it in quotes")
			continue
		}
		if before, twice := first[key.Value]; twice {
			t.add(Mistake, child(path, key.Value), where, fmt.Sprintf("key %s is written twice, first on line %d; keep one", quote(key.Value), before.line))
			continue
		}
		first[key.Value] = where
		value := t.node(v.Value, child(path, key.Value))
		if value == nil {
			value = &node{at: where, size: 1}
		}
		out.entries = append(out.entries, entry{key: key.Value, at: where, value: value})
		out.size += value.size
	}
	for _, m := range merges {
		t.merge(out, m, path)
	}
}

// merge adds the keys of << that the mapping does not have itself.
func (t *tree) merge(out, from *node, path string) {
	switch {
	case from == nil:
	case from.kind == kindList && !slices.ContainsFunc(from.items, func(n *node) bool { return n.kind != kindMap }):
		for _, item := range from.items {
			t.merge(out, item, path)
		}
	case from.kind == kindMap:
		for _, e := range from.entries {
			if out.get(e.key) == nil {
				e.merged = true
				out.entries = append(out.entries, e)
				out.size += e.value.size
			}
		}
	default:
		t.add(Mistake, path, from.at, "<< takes a group of keys or a list of them; write an alias of one, such as *defaults")
	}
}
