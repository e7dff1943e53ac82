package config

import _ "embed"

// Example is a configuration with every group of keys, explained: the file chartwire.example.yaml. Parse accepts it
// but for its secret files.
//
//go:embed chartwire.example.yaml
var Example []byte
