package validate

import (
	"strings"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	annotations "github.com/google/fhir/go/proto/google/fhir/proto/annotations_go_proto"
	resources "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/bundle_and_contained_resource_go_proto"

	"github.com/chartwire/chartwire/fhir/r4"
)

// element is one element R4 allows in an object.
type element struct {
	desc      protoreflect.MessageDescriptor
	repeated  bool
	primitive bool
	sibling   bool // the _name of a primitive: id and extensions
}

var (
	containedResource = (&resources.ContainedResource{}).ProtoReflect().Descriptor()
	// shapes caches element lists by message name; filled on use, never invalidated.
	shapes sync.Map
	// resourceTypes maps a resourceType to its descriptor.
	resourceTypes = sync.OnceValue(func() map[string]protoreflect.MessageDescriptor {
		m := map[string]protoreflect.MessageDescriptor{}
		fields := containedResource.Fields()
		for i := range fields.Len() {
			d := fields.Get(i).Message()
			m[string(d.Name())] = d
		}
		return m
	})
)

// shapeOf lists the JSON elements of a message, from google's R4 descriptors.
func shapeOf(d protoreflect.MessageDescriptor) map[string]element {
	if s, ok := shapes.Load(d.FullName()); ok {
		return s.(map[string]element)
	}
	shape := map[string]element{}
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		m := f.Message()
		if m == nil || m.Name() == "ReferenceId" || f.FullName() == fragmentField {
			continue // the value of a primitive, or google's own spelling of a reference
		}
		if !proto.HasExtension(m.Options(), annotations.E_IsChoiceType) {
			add(shape, f.JSONName(), m, f.IsList())
			continue
		}
		for j := range m.Fields().Len() {
			c := m.Fields().Get(j)
			if c.Message() != nil {
				add(shape, f.JSONName()+strings.ToUpper(c.JSONName()[:1])+c.JSONName()[1:], c.Message(), false)
			}
		}
	}
	shapes.Store(d.FullName(), shape)
	return shape
}

func add(shape map[string]element, name string, d protoreflect.MessageDescriptor, repeated bool) {
	kind := proto.GetExtension(d.Options(), annotations.E_StructureDefinitionKind).(annotations.StructureDefinitionKindValue)
	e := element{desc: d, repeated: repeated, primitive: kind == annotations.StructureDefinitionKindValue_KIND_PRIMITIVE_TYPE}
	shape[name] = e
	if e.primitive {
		e.primitive, e.sibling = false, true
		shape["_"+name] = e
	}
}

// fragmentField is google's place for "#id" references; in JSON they are in "reference".
const fragmentField = "google.fhir.r4.core.Reference.fragment"

// walker checks one resource; resource is its type, for problems.
type walker struct{ resource string }

func (w walker) problem(path, text string) *Problem {
	return &Problem{Resource: w.resource, Path: path, Text: text}
}

// checkStructure checks that every key is an R4 element in its place, that lists are lists, and
// that nothing is empty.
func checkStructure(root *node) *Problem {
	name := root.resourceType()
	if name == "" {
		return &Problem{Text: `missing required field "resourceType"`}
	}
	d, ok := resourceTypes()[name]
	if !ok {
		return &Problem{Text: "the resourceType is not one of R4"}
	}
	return walker{name}.object(name, root, d, true)
}

func (w walker) object(path string, n *node, d protoreflect.MessageDescriptor, resource bool) *Problem {
	if n.kind != '{' {
		return w.problem(path, "expected a JSON object")
	}
	if len(n.keys) == 0 {
		return w.problem(path, "the element is empty")
	}
	shape := shapeOf(d)
	for _, key := range n.keys {
		if resource && key == "resourceType" {
			continue
		}
		e, ok := shape[key]
		if !ok {
			return w.problem(child(path, key), "not an element R4 knows here")
		}
		if problem := w.element(child(path, key), n.vals[key], e); problem != nil {
			return problem
		}
	}
	return nil
}

func (w walker) element(path string, n *node, e element) *Problem {
	if !e.repeated {
		if n.kind == '[' {
			return w.problem(path, "expected one value, not a list")
		}
		return w.value(path, n, e)
	}
	if n.kind != '[' {
		return w.problem(path, "expected a list")
	}
	if len(n.items) == 0 {
		return w.problem(path, "the list is empty")
	}
	for i, item := range n.items {
		if item.kind == 'n' && (e.primitive || e.sibling) {
			continue // null keeps the place of a primitive's extension
		}
		if problem := w.value(index(path, i), item, e); problem != nil {
			return problem
		}
	}
	return nil
}

func (w walker) value(path string, n *node, e element) *Problem {
	switch {
	case n.kind == 'n':
		return w.problem(path, "null is not a value")
	case e.primitive:
		return w.primitive(path, n, e)
	case e.sibling:
		return w.sibling(path, n, e)
	case e.desc.FullName() == containedResource.FullName() || e.desc.FullName() == "google.protobuf.Any":
		d, ok := resourceTypes()[n.resourceType()]
		if !ok {
			return w.problem(path, "the resourceType is missing or not one of R4")
		}
		return w.object(path, n, d, true)
	default:
		return w.object(path, n, e.desc, false)
	}
}

func (w walker) primitive(path string, n *node, e element) *Problem {
	if n.kind == '{' || n.kind == '[' {
		return w.problem(path, "expected a plain value")
	}
	if n.kind != '"' {
		return nil // google checks numbers and booleans
	}
	switch e.desc.Name() {
	case "Base64Binary":
		if len(n.raw) <= 2 {
			return w.problem(path, "the string is empty")
		}
	case "String", "Markdown", "Code", "Uri", "Url", "Canonical":
		if !r4.CarriableString(n.text()) {
			return w.problem(path, "blank, longer than 1 MiB, or holds control characters")
		}
	}
	return nil
}

// sibling checks a _name: only id and extension are allowed in it.
func (w walker) sibling(path string, n *node, e element) *Problem {
	if n.kind != '{' || len(n.keys) == 0 {
		return w.problem(path, "expected an object with id or extension")
	}
	shape := shapeOf(e.desc)
	for _, key := range n.keys {
		if key != "id" && key != "extension" {
			return w.problem(child(path, key), "only id and extension are allowed here")
		}
		if problem := w.element(child(path, key), n.vals[key], shape[key]); problem != nil {
			return problem
		}
	}
	return nil
}
