package cli

import (
	"bytes"
	"strings"

	"github.com/mattn/go-runewidth"
)

// A table is printed with borders, headers centred and cells to the left. It
// never wraps. A table without rows is its header.
type table struct {
	header []string
	rows   [][]string
}

func newTable(header ...string) *table { return &table{header: header} }

func (t *table) row(cells ...string) {
	for i, c := range cells {
		cells[i] = clean(c)
	}
	t.rows = append(t.rows, cells)
}

func (t *table) write(b *bytes.Buffer) {
	widths := make([]int, len(t.header))
	for i, h := range t.header {
		widths[i] = width(h)
	}
	for _, row := range t.rows {
		for i, c := range row {
			widths[i] = max(widths[i], width(c))
		}
	}
	t.border(b, widths)
	for i, h := range t.header {
		gap := widths[i] - width(h)
		cell(b, gap/2, h, gap-gap/2)
	}
	b.WriteString("|\n")
	t.border(b, widths)
	for _, row := range t.rows {
		for i, c := range row {
			cell(b, 0, c, widths[i]-width(c))
		}
		b.WriteString("|\n")
	}
	if len(t.rows) > 0 {
		t.border(b, widths)
	}
}

func (t *table) border(b *bytes.Buffer, widths []int) {
	for _, w := range widths {
		b.WriteString("+" + strings.Repeat("-", w+2))
	}
	b.WriteString("+\n")
}

func cell(b *bytes.Buffer, before int, text string, after int) {
	b.WriteString("| ")
	b.WriteString(strings.Repeat(" ", before))
	b.WriteString(text)
	b.WriteString(strings.Repeat(" ", after+1))
}

// terminal measures text alike in every locale, so that a table is the same
// everywhere.
var terminal = &runewidth.Condition{StrictEmojiNeutral: true}

// width is the number of columns that s takes. Nearly all of it is ASCII, which
// needs no tables.
func width(s string) int {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return terminal.StringWidth(s)
		}
	}
	return len(s)
}
