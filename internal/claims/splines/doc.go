// Package splines measures the claims of Parhi and Nowak on shallow networks of one input (PAPERS.md P5): that what weight decay
// and the path norm make small is the total variation of the slope, and that training reaches the best spline that there is.
//
// Rules. Everything is measured against functions of the trained parameters in float64 and against the exact optimum of the
// training problem, which is found without training.
package splines
