package cli

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"
)

// writeYAML writes what writeJSON would: the JSON is read as the YAML that it
// is, and written in block style, so that names and order are the same.
func writeYAML(b *bytes.Buffer, data any) error {
	raw, err := json.Marshal(data)
	if err != nil {
		return err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		return err
	}
	restyle(&doc)
	enc := yaml.NewEncoder(b)
	enc.SetIndent(2)
	if err := enc.Encode(&doc); err != nil {
		return err
	}
	return enc.Close()
}

// restyle lays collections out in blocks, except empty ones, and takes the
// quotes from words that no version of YAML takes for anything but a string.
func restyle(n *yaml.Node) {
	switch n.Kind {
	case yaml.SequenceNode, yaml.MappingNode:
		if len(n.Content) > 0 {
			n.Style = 0
		}
	case yaml.ScalarNode:
		switch {
		case n.Tag != "!!str":
		case strings.Contains(n.Value, "\n"):
			n.Style = yaml.LiteralStyle
		case word.MatchString(n.Value) && !special.MatchString(n.Value):
			n.Style = 0
		}
	}
	for _, child := range n.Content {
		restyle(child)
	}
}

var (
	word    = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._/-]*$`)
	special = regexp.MustCompile(`(?i)^(y|n|yes|no|on|off|true|false|null)$`) // YAML 1.1 has more of them than 1.2
)
