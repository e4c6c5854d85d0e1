# ruff: noqa: E501 (a line's width says little of Chinese)
"""The self-test's messages in Chinese, each by its English wording; Python's own stay as they are."""

from __future__ import annotations

import re
from collections.abc import Mapping

_EXACT = {
    # kinds of lines
    "ok": "通过",
    "FAIL": "失败",
    "open": "未完成",
    "note": "注意",
    "look": "查看",
    "look for a loop that never ends": "找一找永不结束的循环",
    "return the result": "请用 return 返回结果",
    "return an object of the class: call it": "请返回这个类的对象：要调用它",
    # the rules of the grader
    "there is no network while the grader runs this: nothing can be downloaded": "评分时没有网络：什么也下载不了",
    "the grader has no such device here: use the `device` that train_classifier is given, and no .cuda()": (
        "评分时没有这样的设备：请使用传给 train_classifier 的 device，不要用 .cuda()"
    ),
    "a gradient has to reach every parameter: no torch.no_grad(), no .detach(), .item(), .data or numpy in forward, and no requires_grad=False": (
        "梯度要能到达每一个参数：forward 中不要用 torch.no_grad()、.detach()、.item()、.data 或 numpy，也不要设 requires_grad=False"
    ),
    "look at the clock in every step": "每一步都要看时间",
    "nobody is at the keyboard while the grader runs this": "评分时没有人在键盘前",
    "of what was handed in only the code and the weights are there while the grader runs this": (
        "评分时，提交的文件中只有代码和权重"
    ),
    "only the working folder and tempfile's can be written while the grader runs this": (
        "评分时只能写入工作目录和 tempfile 的目录"
    ),
    # the course of the self-test
    "stopped": "已停止",
    "the code cannot be run": "代码无法运行",
    "nothing that can be graded": "没有可以评分的文件",
    "the code could not be loaded": "代码无法载入",
    "nothing is written there": "还没有写任何内容",
    "the placeholder is still there": "还没有作答，占位文字还在",
    "only the question itself": "只有题目本身",
    "the same words over and over": "同样的词反复出现",
    "no weights were handed in": "没有权重：请训练，然后 save_weights(model)",
    "accuracy": "准确率",
    "no accuracy": "无法测量准确率",
    "hand it in": "可以提交了",
    # files that cannot be read
    "nothing was handed in": "没有任何文件",
    "not an ordinary file": "不是普通文件",
    "its JSON is damaged": "其中的 JSON 已损坏",
    "its list of members is too long": "其中的文件列表太长",
    "it is not a zip, or its end is missing": "它不是 zip 文件，或者末尾缺失",
    "download it again, or unpack it and give the folder": "请重新下载，或者解压后使用文件夹",
    "point TMPDIR elsewhere": "请把 TMPDIR 指向别处",
    "check its permissions": "请检查它的权限",
    "check the path and its permissions": "请检查路径和权限",
    "free some space, or point TMPDIR to a larger disk": "请腾出一些空间，或者把 TMPDIR 指向更大的磁盘",
    "move that away, or give one class's download at a time": "请把它们移到别处",
    "give the download's zip or folder": "请确认文件夹没有选错",
    "the notebook's Markdown cells are longer than 1 MiB: the rest was not read": (
        "笔记本的 Markdown 单元超过 1 MiB：其余部分没有读取"
    ),
    "save model.state_dict()": "请用 save_weights(model) 保存",
    "itself": "它本身",
    # what the code returned
    "more data than is accepted": "过多的数据",
    "a value nested too deeply": "嵌套过深的值",
    "an integer beyond 64 bits": "超过 64 位的整数",
    "a dict whose keys are not all strings": "键不全是字符串的字典",
    "a tensor of a lazy layer, without data": "惰性层中还没有数据的张量",
    "a tensor that is sparse, quantized or without data": "稀疏的、量化的或没有数据的张量",
    "a tensor of a kind that cannot be handed over": "无法传递的张量类型",
    "the model's lazy layers have no sizes yet: give them sizes, or call the model once": (
        "模型的惰性层还没有确定尺寸：请写明尺寸，或者先调用一次模型"
    ),
    "the answer that came back is not one that the request can have": "传回的结果不是这个请求应有的",
    "the model was lost when an earlier request ended its process": "先前的一次请求使进程结束，模型随之丢失",
    "the sandbox stopped answering": "进程没有响应",
    "no code was handed in": "没有代码",
    "no answers were handed in": "没有回答",
    "the code closed its process's connection": "代码关闭了进程的连接",
    "(its message cannot be shown)": "（错误信息无法显示）",
    # syntax
    "nested too deeply": "嵌套过深",
    "invalid syntax": "语法错误",
    "expected ':'": "缺少 ':'",
    "unexpected indent": "多余的缩进",
    "function definition": "函数定义",
    "class definition": "类定义",
    "Missing parentheses in call to 'print'. Did you mean print(...)?": "调用 print 缺少括号：应写成 print(...)",
    "inconsistent use of tabs and spaces in indentation": "缩进中混用了制表符和空格",
    "unindent does not match any outer indentation level": "缩进与外层的任何一级都不一致",
    # the command line
    "--score and --pack look at all tasks: leave the others out": "--score 和 --pack 针对全部任务：请去掉任务名",
}

# With what varies in it: `*` stands for any text, which is told in Chinese, too, where it is one of these.
_PATTERNS = {
    "waiting for: *": "请先通过“*”",
    "question *": "问题 *",
    "Question *": "问题 *",
    "Task *: write *": "还没写：任务 *，*",
    "*: it returned None": "*：返回了 None",
    "*: expected *, got *": "*：应为 *，得到 *",
    "the shape of *": "* 的形状",
    "there is *: is it meant?": "有一个 *：是想写它吗？",
    "* has a `yield`, so calling it trains nothing: use return": "* 中有 yield，调用它并不会训练：请用 return",
    "* gave numbers that are not finite": "* 给出了非有限的数",
    "* gave a tensor without numbers": "* 给出了空张量",
    "* is zero throughout": "* 全为零",
    "* gave *": "* 给出了 *",
    "not done after * seconds on this machine": "在这台机器上 * 秒之后仍未完成",
    "its code used up all of its * seconds": "代码用完了全部 * 秒",
    "the code printed more than * MiB": "代码打印的内容超过 * MiB",
    "the code ended its own process, with exit status *": "代码结束了自己的进程，退出状态为 *",
    "the code took its process down (*)": "代码使进程崩溃（*）",
    "* is not defined in * (*)": "* 没有在 * 中定义（*）",
    "* is not defined in *": "* 没有在 * 中定义",
    "NotImplementedError: Task *: write *": "还没写：任务 *，*",
    "SyntaxError: it is not Python and was left out: *": "有语法错误，已跳过：*",
    "*: SyntaxError: it is not Python and was left out: *": "*：有语法错误，已跳过：*",
    "*; because its definition failed: *": "*；因为它的定义在运行时出错：*",
    "*, because its definition failed: *": "*，因为它的定义在运行时出错：*",
    '* stands under `if __name__ == "__main__"`, which is not run': '* 在 `if __name__ == "__main__"` 下面，不会运行',
    "* word": "* 个英文单词",
    "* words and * Chinese characters": "* 个英文单词和 * 个汉字",
    "* words": "* 个英文单词",
    "* Chinese characters": "* 个汉字",
    "at least * words or * Chinese characters are needed": "至少需要 * 个英文单词或 * 个汉字",
    "a whole pickled model cannot be opened safely: *": "用 pickle 保存的整个模型不能安全打开：*",
    "* is neither a safetensors nor a torch file": "* 既不是 safetensors 文件，也不是 torch 文件",
    "* is not a notebook that can be read (*)": "* 不是可以读取的笔记本（*）",
    "* is empty": "* 是空的",
    "* returned a value of type *, not a torch.nn.Module": "* 返回了 * 类型的值，而不是 torch.nn.Module",
    "* returned a value of type *, not a tensor": "* 返回了 * 类型的值，而不是张量",
    "* returned a value of type *": "* 返回了 * 类型的值",
    "a tensor of floats": "浮点张量",
    "tensor of shape (*), *": "形状为 (*) 的 * 张量",
    "the model": "模型",
    "* returned a value of type *, not *": "* 返回了 * 类型的值，而不是 *",
    "* tensors missing (first: *)": "缺少 * 个张量（第一个：*）",
    "* tensors unexpected (first: *)": "多出 * 个张量（第一个：*）",
    "* tensors of another shape (first: *)": "* 个张量形状不符（第一个：*）",
    "of packages only * and * are sure to be there while the grader runs this, and of modules of your own those "
    "handed in beside the code": "评分时的软件包只有 * 和 *，你自己的模块只有随代码一起提交的那些",
    "* was taken as the code (* of * functions filled in); left aside: *": (
        "以 * 作为代码（* / * 个函数已编写）；不使用：*"
    ),
    "* was taken as the code": "以 * 作为代码",
    "* was taken as the weights; left aside: *": "以 * 作为权重；不使用：*",
    "* was taken as the weights": "以 * 作为权重",
    "taken as the answers: *; left aside: *": "作为回答的是：*；不使用：*",
    "taken as the answers: *": "作为回答的是：*",
    "read with *: *": "与 * 一起读取：*",
    "* cannot be read: answers belong in answers.md or the notebook": "* 无法读取：请把回答写进 answers.md 或笔记本",
    "no code can be graded: *": "没有可以评分的代码：*",
    "no *.py or *.ipynb was found": "没有找到 *.py 或 *.ipynb",
    "a definition failed: *": "有一处定义在运行时出错：*",
    "* is syntax of Python * or newer, which the grader's Python * cannot read, and was left out: *": (
        "* 用了 Python * 或更新版本的语法，评分所用的 Python * 无法读取，已跳过：*"
    ),
    "* is not Python and was left out: *": "* 有语法错误，已跳过：*",
    "*; at least * words or * Chinese characters are needed": "*；至少需要 * 个英文单词或 * 个汉字",
    "the same text as the answer to question *": "与问题 * 的回答相同",
    "no heading for question * was found": "没有找到问题 * 的标题",
    "* of * checks ok, * failed, * open": "检查：通过 * / *，失败 *，未完成 *",
    "* of * questions answered": "问题：已回答 * / *",
    "*, probably between * and *": "*，很可能在 * 与 * 之间",
    "* of * points, if the grader's own inputs say the same": "共 * / * 分，前提是评分程序用自己的输入得到同样的结果",
    "* of * images, * seconds left": "* / * 张图像，还需 * 秒",
    "*, *, *: go on, or hand it in as it is": "*，*，*：请继续完成，或者就这样提交",
    "*, *: go on, or hand it in as it is": "*，*：请继续完成，或者就这样提交",
    "*: go on, or hand it in as it is": "*：请继续完成，或者就这样提交",
    "* of * checks failed": "检查失败 * / *",
    "* of * checks open": "检查未完成 * / *",
    "* of * questions open": "问题未回答 * / *",
    "* is not read, because * is called *: rename it": "未读取 *，因为 * 也叫 *：请改名",
    "*.zip holds *": "*.zip 中有 *",
    "this Python is newer than the grader's: *": "你的 Python 比评分所用的新：*",
    "pip install ruff, so that what only newer versions read is found": "请安装 ruff（`pip install ruff`），以便找出只有新版本才能读取的语法",
    # files that cannot be read
    "no *.py or *.ipynb was found among *: *": "没有找到 *.py 或 *.ipynb，只有 *：*",
    "no *.py or *.ipynb was found among *": "没有找到 *.py 或 *.ipynb，只有 *",
    "no *.py or *.ipynb was found: *": "没有找到 *.py 或 *.ipynb：*",
    "… and * remarks more": "……还有 * 条说明",
    "*: holds no files": "*：其中没有文件",
    "*: holds more than * files, most of them in *": "*：其中的文件多于 * 个，大多在 * 中",
    "*: cannot be written to (*)": "*：无法写入（*）",
    "*: cannot be read (*)": "*：无法读取（*）",
    "*: is encrypted": "*：已加密",
    "*: there is no such file or folder": "*：没有这个文件或文件夹",
    "it holds more than * files": "其中的文件多于 * 个",
    "it unpacks to more than *": "解压后超过 *",
    "it holds zips within zips and nothing else (*)": "其中只有层层嵌套的 zip（*）",
    "a submission's files cannot be unpacked (*)": "文件无法解压（*）",
    "* unpacks from * to * bytes": "* 从 * 字节解压成 * 字节",
    "* is in its zip more than once: the last was taken": "* 在 zip 中不止一份：以最后一份为准",
    "* is an archive of a kind that is not opened: hand in a zip": "* 是不会打开的压缩格式：请使用 zip",
    "* is a zip in a zip in a zip, and was not opened": "* 是 zip 中的 zip 中的 zip，没有打开",
    "* cannot be opened as a zip (*)": "* 无法作为 zip 打开（*）",
    "* and * differ in case alone": "* 和 * 只有大小写不同",
    "* is encrypted": "* 已加密",
    "* has an absolute name": "* 的名称是绝对路径",
    "* has a name that leads out of its folder": "* 的名称指向文件夹之外",
    "* has a NUL character in its name": "* 的名称中有 NUL 字符",
    "* has too long a name": "* 的名称太长",
    "* has too long a path": "* 的路径太长",
    "* is a symbolic link": "* 是符号链接",
    "* is a link, which is not followed": "* 是链接，不会读取",
    "* is packed in a way that is not read: use an ordinary zip": "* 的压缩方式无法读取：请使用普通的 zip",
    "* is not a file": "* 不是文件",
    "* is not an ordinary file": "* 不是普通文件",
    "* is a folder that cannot be read (*)": "* 是无法读取的文件夹（*）",
    "* cannot be read (*)": "* 无法读取（*）",
    "* is larger than * without its pictures: clear its outputs": "* 除图片外超过 *：请清除它的输出",
    "* was not looked at: there is too much code beside it": "* 没有查看：它旁边的代码太多",
    "* was left aside: there is too much code beside it": "* 没有采用：它旁边的代码太多",
    "* was not opened: there are more than * zips": "* 没有打开：zip 多于 * 个",
    "reading the zips takes too long": "读取 zip 用时太长",
    "it looks like the work of * people (*), each with code of their own: *": "像是 * 个人的作业（*），各有各的代码：*",
    "give each person's in a folder of its own, or leave only what is to be graded": "请只留下要评分的文件",
    "it holds what looks like *: *": "其中像是 *：*",
    "*'s download of *": "* 的批量下载（*）",
    "1 person": "1 人",
    "* people": "* 人",
    "give that download to the grader as it is": "请只留下自己的文件",
    "sort it into one folder a student, named by the student's id": "请只留下自己的文件",
    "its list of members is torn": "它的文件列表不完整",
    "holds more than * files": "其中的文件多于 * 个",
    "* is larger than *: clear its outputs": "* 超过 *：请清除它的输出",
    "* is larger than *": "* 超过 *",
    "larger than * MiB": "超过 * MiB",
    "* holds too many values for a notebook: clear its outputs": "* 作为笔记本内容过多：请清除它的输出",
    "* is nested too deeply to be a notebook": "* 嵌套过深，不是笔记本",
    "* is not a notebook (it has no cells)": "* 不是笔记本（没有单元）",
    "* is not a notebook that can be read": "* 不是可以读取的笔记本",
    "* is a notebook without cells": "* 是没有单元的笔记本",
    "* has more than * cells": "* 的单元多于 * 个",
    "a merge conflict begins in line *: keep one side, delete the marks": (
        "第 * 行起有合并冲突：请保留其中一边，删去标记"
    ),
    "lines * to * are a merge conflict: keep one side, delete the marks": (
        "第 * 至 * 行是合并冲突：请保留其中一边，删去标记"
    ),
    "there are * code files: only * of them were looked at": "共有 * 个代码文件：只查看了其中 * 个",
    "* holds more than * MiB of code": "* 中的代码超过 * MiB",
    "* holds no code": "* 中没有代码",
    "* and * more": "* 以及另外 * 个",
    # weights
    "* cannot be read as weights: save model.state_dict() with torch.save": (
        "* 无法作为权重读取：请用 torch.save 保存 model.state_dict()"
    ),
    "* is a Git LFS pointer, not the weights: hand in the file itself": (
        "* 是 Git LFS 指针，不是权重：请提交文件本身"
    ),
    "holds no state dict: *": "其中没有状态字典：*",
    "holds * and no state dict: *": "其中是 *，没有状态字典：*",
    "holds an optimizer's state: *": "其中是优化器的状态：*",
    "holds * state dicts that fit classifier() (*): save the one that is meant alone": (
        "其中有 * 个状态字典都与 classifier() 吻合（*）：请只保存需要的那一个"
    ),
    "holds *, which is not opened: * alone": "其中有不会打开的 *：*，不要别的",
    "a TorchScript archive is not opened: *": "不会打开 TorchScript 文件：*",
    "pickled in a way that is not opened: save it by torch.save(model.state_dict(), …) without pickle_protocol": (
        "它的 pickle 格式不会打开：请用 torch.save(model.state_dict(), …) 保存，不要设 pickle_protocol"
    ),
    "* left aside": "不使用 *",
    "* beside the weights was not opened": "权重之外的 * 没有打开",
    "names were read without module. and _orig_mod.": "读取时去掉了名称中的 module. 和 _orig_mod.",
    'names were read without "*"': "读取时去掉了名称前的“*”",
    'names were read with "*" before them': "读取时在名称前加上了“*”",
    "* filled in, for classifier() shares the tensors with others": "补上了 *，因为 classifier() 中它与别的张量共用",
    "not a safetensors file (*)": "不是 safetensors 文件（*）",
    "not a file that torch.save wrote": "不是 torch.save 写出的文件",
    "it does not fit into the scratch space (*)": "工作目录放不下它（*）",
    "the weights do not fit *(): *": "权重与 *() 不吻合：*",
    # the code
    "* in * is of type *, not a function": "* 在 * 中是 * 类型，不是函数",
    "*: * at the top level that changes * was not run": "*：顶层有*没有运行，它会改变 *",
    "*: * at the top level was not run": "*：顶层的*没有运行",
    "a loop": "一个循环",
    "a call": "一个调用",
    "a with block": "一个 with 语句",
    "a statement": "一条语句",
    "it stands in a Markdown cell below cell *: make that a code cell": (
        "它写在第 * 个代码单元之后的 Markdown 单元里：请改成代码单元"
    ),
    "it stands in a raw cell below cell *: make that a code cell": (
        "它写在第 * 个代码单元之后的 Raw 单元里：请改成代码单元"
    ),
    "it stands in a Markdown cell at the top: make that a code cell": (
        "它写在最前面的 Markdown 单元里：请改成代码单元"
    ),
    "it stands in a raw cell at the top: make that a code cell": "它写在最前面的 Raw 单元里：请改成代码单元",
    "stopped after * s of CPU time": "用了 * 秒处理器时间后被停止",
    "invalid character * (*): switch the keyboard to English and type *": (
        "非法字符 *（*）：请切换到英文输入法，输入 *"
    ),
    "invalid character * (*)": "非法字符 *（*）",
    "invalid non-printable character *": "不可见的非法字符 *",
    "* was never closed": "* 没有闭合",
    "unterminated string literal (detected at line *)": "字符串没有结束（第 * 行）",
    "unterminated triple-quoted string literal (detected at line *)": "三引号字符串没有结束（直到第 * 行）",
    "expected an indented block after * on line *": "*之后（第 * 行）缺少缩进的代码块",
    "'*' statement": " '*' 语句",
    # what the code returned
    "it returned a value of type *": "返回了 * 类型的值",
    "more than * tensors": "多于 * 个张量",
    "a tensor of more than * dimensions": "多于 * 维的张量",
    "a value of type *": "* 类型的值",
    "* returned *": "* 返回了 *",
    "a tensor whose shape begins with *": "形状以 * 开头的张量",
    "an integer of * bits": "* 位的整数",
    "a dict of * entries": "有 * 项的字典",
    "* gave numbers beyond *": "* 给出了超过 * 的数",
    "off by up to *, where * is rounding": "最多相差 *，而舍入误差不超过 *",
    "the classifier gave logits of type *, where floats are right": "classifier 给出的 logits 是 * 类型，应为浮点数",
    "the classifier gave logits of shape * for * images, where * is right": (
        "classifier 给出的 logits 形状为 *（共 * 张图像），应为 *"
    ),
    "the classifier gave NaN (not a number) among its logits": "classifier 给出的 logits 中有 NaN（不是数）",
    # the rules of the grader
    "it may take * MiB of memory": "最多使用 * MiB 内存",
    "it may take * MiB of the GPU's memory": "最多使用 * MiB 显存",
    "a file may have * MiB": "一个文件最多 * MiB",
    "* files may be open at a time": "最多同时打开 * 个文件",
    "files may take * MiB in the working folder, and * MiB in shared memory": (
        "文件在工作目录中最多占 * MiB，在共享内存中最多占 * MiB"
    ),
    "* processes and threads may run at a time, all together": "进程和线程总共最多同时运行 * 个",
    # the process, the command line
    "the process for your code did not answer within * seconds: something keeps Python from starting, or from connecting to itself (127.0.0.1)": (
        "运行代码的进程在 * 秒内没有响应：可能有什么使 Python 无法启动，或者无法连接本机（127.0.0.1）"
    ),
    "the process for your code ended before it began: *": "运行代码的进程还没开始就结束了：*",
    "exit status *": "退出状态 *",
    "the code's process sent *": "代码的进程发来了 *",
    "there is no task *: choose from *": "没有任务 *：请从 * 中选择",
    "unrecognized arguments: *": "无法识别的参数：*",
    "argument *: invalid choice: * (choose from *)": "参数 *：不能是 *（请从 * 中选择）",
    "argument *: expected one argument": "参数 * 后面要有一个值",
    "ambiguous option: * could match *": "参数 * 不明确，可能是 *",
}


def _compiled(pattern: str) -> re.Pattern[str]:
    """A `*` is part of a sentence, but for what stands in brackets, which may be several."""
    inner = re.escape(pattern).replace(r"\(\*\)", r"\((.*?)\)")
    return re.compile(inner.replace(r"\*", "((?:(?!; ).)*?)"), re.DOTALL)


_PLACE = re.compile(r"(.*)( \([^()]*, line \d+\))", re.DOTALL)  # where in the student's code it happened
_CELL = re.compile(r"(?:, )?cell (\d+), line (\d+)")
_LINE = re.compile(r"(?<=\.py), line (\d+)")


class Translator:
    """Tells a message in Chinese; what is not known of it stays in English.

    `more` are a lab's own wordings: a `*` in one stands for any text, as above.
    """

    def __init__(self, more: Mapping[str, str]) -> None:
        patterns = _PATTERNS | {english: told for english, told in more.items() if "*" in english}
        self._exact = _EXACT | {english: told for english, told in more.items() if "*" not in english}
        # The longest wordings first, for they say most.
        self._compiled = [
            (_compiled(english), told.split("*"))
            for english, told in sorted(patterns.items(), key=lambda pair: -len(pair[0]))
        ]

    def __call__(self, text: str) -> str:
        """The message in Chinese."""
        told = _CELL.sub(r" 第 \1 个代码单元第 \2 行", self._translated(text))
        return _LINE.sub(r" 第 \1 行", told)

    def _translated(self, text: str) -> str:
        if text in self._exact:
            return self._exact[text]
        if match := _PLACE.fullmatch(text):
            return self._translated(match[1]) + match[2]
        all_of = ((pattern.fullmatch(text), parts) for pattern, parts in self._compiled)
        fitting = [(match.groups(), parts) for match, parts in all_of if match]
        if fitting:
            values, parts = next((one for one in fitting if all(map(_is_whole, one[0]))), fitting[0])
            inner = [*map(self._translated, values), ""]
            return "".join(part + value for part, value in zip(parts, inner, strict=True))
        for sign, in_chinese in (("; ", "；"), (": ", "：")):
            first, found, rest = text.partition(sign)
            if found and (told := (self._translated(first), self._translated(rest))) != (first, rest):
                return in_chinese.join(told)
        return text


def _is_whole(text: str) -> bool:
    """Whether it holds no end of a bracket alone, which belongs to something around it."""
    return text.count("(") == text.count(")")
