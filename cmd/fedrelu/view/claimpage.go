package view

import (
	"bytes"
	_ "embed" // the page
	"encoding/csv"
	"fmt"
	"html/template"
	"io"
	"strings"

	"github.com/fedrelu/fedrelu/internal/claims"
	"github.com/fedrelu/fedrelu/internal/papers"
)

//go:embed claims.html
var claimsHTML string

var claimsPage = template.Must(template.New("claims").Parse(claimsHTML))

// ClaimsPage is index.html of `reproduce -o`: claims, figures and names of tables in one file that needs no other.
type ClaimsPage struct {
	Command string // that made it
	Build   string
	Reports []papers.Report
}

// Write writes the page.
func (p ClaimsPage) Write(w io.Writer) error {
	page := pageData{Command: p.Command, Build: p.Build, Summary: NewReproduce(p.Reports).Summary()}
	for _, r := range p.Reports {
		part := pagePaper{Name: r.Paper.Name, Title: r.Paper.Title, Took: Seconds(r.Took.Seconds())}
		for _, result := range r.Results {
			part.Claims = append(part.Claims, pageClaim{NewClaim(r.Paper.Name, result)})
		}
		for _, f := range r.Figures {
			var svg bytes.Buffer
			if err := f.Figure.SVG(&svg); err != nil {
				return fmt.Errorf("drawing %s: %w", f.Name, err)
			}
			part.Figures = append(part.Figures, pageFigure{ClaimFile(r.Paper, f.Name) + ".svg", template.HTML(svg.String())}) // made by figure, which escapes
		}
		for _, t := range r.Tables {
			part.Tables = append(part.Tables, pageTable{ClaimFile(r.Paper, t.Name) + ".csv", len(t.Rows), strings.Join(t.Columns, ", ")})
		}
		page.Papers = append(page.Papers, part)
	}
	if err := claimsPage.Execute(w, page); err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	return nil
}

// ClaimFile returns the name of a paper's figure or table, which begins with the paper's.
func ClaimFile(p claims.Paper, name string) string {
	if strings.HasPrefix(name, p.Name) {
		return name
	}
	return p.Name + "-" + name
}

// WriteCSV writes a table.
func WriteCSV(w io.Writer, t claims.Table) error {
	out := csv.NewWriter(w)
	if err := out.Write(t.Columns); err != nil {
		return err
	}
	return out.WriteAll(t.Rows)
}

type pageData struct {
	Command, Build, Summary string
	Papers                  []pagePaper
}

type pagePaper struct {
	Name, Title, Took string
	Claims            []pageClaim
	Figures           []pageFigure
	Tables            []pageTable
}

type pageFigure struct {
	File string
	SVG  template.HTML
}

type pageTable struct {
	File    string
	Rows    int
	Columns string
}

// pageClaim is a claim with its numbers as text.
type pageClaim struct{ Claim }

// Class is the verdict as a name of a style.
func (c pageClaim) Class() string {
	return strings.NewReplacer(" ", "-", ",", "").Replace(c.Verdict)
}

// Numbers is the effect with interval, threshold and seeds.
func (c pageClaim) Numbers() string { return c.effect() }

// Gated says which runs were compared.
func (c pageClaim) Gated() string { return c.gate() }

// Time is how long it took.
func (c pageClaim) Time() string { return Seconds(c.Took.Seconds()) }
