export { type Problem, pathText, problemText } from '../../core/problem.ts'
