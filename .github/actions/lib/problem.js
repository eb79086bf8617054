/** What is wrong in the repository or in an input: told without a stack trace. */
export class Problem extends Error {}
