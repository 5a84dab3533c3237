package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"
)

// writeYAML writes what writeJSON would, with the same names in the same order.
// The JSON is not parsed as the YAML that it nearly is, for a YAML parser folds
// some characters that JSON has no name for.
func writeYAML(b *bytes.Buffer, data any) error {
	raw, err := json.Marshal(data)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	root, err := node(dec)
	if err != nil {
		return err
	}
	enc := yaml.NewEncoder(b)
	enc.SetIndent(2)
	if err := enc.Encode(root); err != nil {
		return err
	}
	return enc.Close()
}

// node reads one JSON value.
func node(dec *json.Decoder) (*yaml.Node, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch v := token.(type) {
	case json.Delim:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		if v == '{' {
			n.Kind = yaml.MappingNode
		}
		for dec.More() { // of a mapping: name, value, name, value ...
			child, err := node(dec)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, child)
		}
		if len(n.Content) == 0 {
			n.Style = yaml.FlowStyle
		}
		_, err := dec.Token()
		return n, err
	case string:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: v, Style: style(v)}, nil
	case nil:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}, nil
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Value: fmt.Sprint(token)}, nil // a number or a truth value
}

// style leaves the quotes off words that no version of YAML takes for anything
// but a string, and lays lines out as lines.
func style(s string) yaml.Style {
	switch {
	case word.MatchString(s) && !special.MatchString(s):
		return 0
	case strings.Contains(s, "\n") && cleanBut(s, "\n\t") == s:
		return yaml.LiteralStyle
	}
	return yaml.DoubleQuotedStyle
}

var (
	word    = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._/-]*$`)
	special = regexp.MustCompile(`(?i)^(y|n|yes|no|on|off|true|false|null)$`) // YAML 1.1 has more of them than 1.2
)
