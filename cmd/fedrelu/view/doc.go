// Package view turns what is known of runs into what people and scripts read: JSON documents, tables, one line a round, and
// the live line of a terminal.
//
// Rules. Everything here is a function of its arguments: no clock but the one that is passed in, no process, no network.
// The keys of JSON documents are a contract with scripts (DESIGN, section 6; names of measurements as in package record):
// keys are added, never renamed; a number that was not measured is null, never absent; a list is never null. Texts for
// people fit into 80 columns where their content allows it. What is kept while a run is followed does not grow with it.
package view
