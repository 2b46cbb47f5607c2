"""What the generated parts of the Spanish page about protocol v2 say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

COLUMNS: Final = ("clave", "tipo", "", "significado")
WORDS: Final[Mapping[str, str]] = {
    "always": "siempre",
    "answer": "Respuesta",
    "started": "iniciada",
    "completed": "terminada",
    "to": "a",
    "at least": "al menos",
    "characters": "caracteres",
    "list of": "lista:",
    "or": "o",
    "yes": "sí",
    "no": "no",
    "anything": "cualquiera",
    "string": "cadena",
    "integer": "entero",
    "number": "número",
    "boolean": "booleano",
    "object": "objeto",
    "null": "null",
}
TEXTS: Final[Mapping[str, str]] = {
    "The first message of a client.": "El primer mensaje de un cliente.",
    "Chosen by the client; unique among its unanswered requests on this connection.": "Lo elige el"
    " cliente; único entre sus solicitudes sin respuesta de esta conexión.",
    "The versions of the protocol that it speaks.": "Las versiones del protocolo que habla.",
    "Its name and release, for logs.": "Su nombre y versión, para el log.",
    "Where the handshake carried no credential, and one is needed.": "Si al abrir la conexión no"
    " se mostró ninguna credencial y hace falta una.",
    "`bearer` (RFC 6750).": "`bearer` (RFC 6750).",
    "The credential itself; it is never logged.": "La credencial misma; nunca se anota en el log.",
    "Another credential of the same principal.": "Otra credencial de la misma identidad.",
    "Ask for one execution of an agent; its events follow.": "Pide una ejecución de un agente; a"
    " continuación llegan sus eventos.",
    "Which agent.": "Qué agente.",
    "Names what the client wants done: the same key asks for the same execution, once.": "Nombra"
    " lo que el cliente quiere que se haga: la misma clave pide la misma ejecución, una sola vez.",
    "The epoch under which the key was sent first. Where that is over, nothing runs.": "La época"
    " en la que la clave se envió por primera vez. Si ya pasó, no se ejecuta nada.",
    "For the agent.": "Para el agente.",
    "When it must end; `max_duration` bounds it in any case.": "Cuándo debe terminar;"
    " `max_duration` la limita en cualquier caso.",
    "Watch an execution, or an effect, from behind an event on.": "Observa una ejecución, o un"
    " efecto, a partir del evento siguiente a uno dado.",
    "Which execution; either this or `effect_key`.": "Qué ejecución; o esto o `effect_key`.",
    "Which effect.": "Qué efecto.",
    "The last event that is known already.": "El último evento que ya se conoce.",
    "Watch it no longer.": "Deja de observarlo.",
    "Ask how an execution stands.": "Pregunta cómo está una ejecución.",
    "Which execution.": "Qué ejecución.",
    "Ask which executions there are, newest first.": "Pregunta qué ejecuciones hay, las más nuevas"
    " primero.",
    "How many at most.": "Cuántas como máximo.",
    "The `next` of the page before; null: from the newest on.": "El `next` de la página anterior;"
    " null: desde la más nueva.",
    "Only those of this agent; null: of any.": "Solo las de este agente; null: las de cualquiera.",
    "Ask an execution to end; what was signed cannot be recalled.": "Pide que una ejecución"
    " termine; lo que ya se firmó no se puede retirar.",
    "For its journal.": "Para su registro.",
    "I am.": "Sí.",
    "That of the `ping`.": "El del `ping`.",
    "The answer to `hello`: the connection is open.": "La respuesta a `hello`: la conexión está"
    " abierta.",
    "That of the request.": "El de la solicitud.",
    "The version that is spoken.": "La versión que se habla.",
    "Names this connection in the server's log.": "Nombra esta conexión en el log del servidor.",
    "Names the incarnation of the store: another one means that events may have been"
    " lost.": "Nombra la encarnación del registro: otra distinta significa que pueden haberse"
    " perdido eventos.",
    "On whose behalf the connection asks.": "En nombre de quién pide la conexión.",
    "Its name, unique on this server.": "Su nombre, único en este servidor.",
    "Any of `execute`, `watch`, `operate`.": "Algunos de `execute`, `watch`, `operate`.",
    "When its credential ends; null: it does not end by itself.": "Cuándo caduca su credencial;"
    " null: no caduca por sí sola.",
    "What is enforced.": "Lo que se hace cumplir.",
    "Longest message taken, in bytes of UTF-8.": "Mensaje más largo que se acepta, en bytes de"
    " UTF-8.",
    "Deepest nesting of a message, the outermost object being 1.": "Anidamiento máximo de un"
    " mensaje; el objeto exterior cuenta 1.",
    "Most unanswered requests of one connection; further ones get `overloaded`.": "Máximo de"
    " solicitudes sin respuesta de una conexión; las demás reciben `overloaded`.",
    "Most executions and effects that one connection watches at once; likewise.": "Máximo de"
    " ejecuciones y efectos que una conexión observa a la vez; igualmente.",
    "Most requests a second of one connection, a second's worth at once; 0: no bound.": "Máximo de"
    " solicitudes por segundo de una conexión, las de un segundo de golpe; 0: sin límite.",
    "Seconds until `hello`.": "Segundos hasta `hello`.",
    "Seconds after which a peer that takes nothing is closed with 4510.": "Segundos tras los que"
    " se cierra con 4510 a quien no recoge nada.",
    "Seconds that an execution may take.": "Segundos que puede durar una ejecución.",
    "How many ended executions are kept; null: all of them.": "Cuántas ejecuciones terminadas se"
    " conservan; null: todas.",
    "Seconds for which an idempotency key is known.": "Segundos durante los que se recuerda una"
    " clave de idempotencia.",
    "Longest idempotency key, in characters.": "Clave de idempotencia más larga, en caracteres.",
    "Longest agent id, in characters.": "Identificador de agente más largo, en caracteres.",
    "Seconds that ended executions are kept; null: for ever.": "Segundos que se conservan las "
    "ejecuciones terminadas; null: para siempre.",
    "What silence means.": "Qué significa el silencio.",
    "Seconds of silence of the client after which the server asks with `ping`.": "Segundos de"
    " silencio del cliente tras los que el servidor pregunta con `ping`.",
    "Seconds of silence after which the other side counts as gone.": "Segundos de silencio tras"
    " los que se da por perdido al otro extremo.",
    "The credential of this connection ends soon; `auth` renews it, else close 4401.": "La"
    " credencial de esta conexión caduca pronto; `auth` la renueva; si no, cierre 4401.",
    "When it ends.": "Cuándo caduca.",
    "The new credential counts from now on.": "Desde ahora vale la credencial nueva.",
    "The same as before, and when the new credential ends.": "La misma que antes, y cuándo caduca"
    " la credencial nueva.",
    "The execution is accepted, and journaled; every event of it follows, from the first.": "La"
    " ejecución está aceptada y registrada; llegan todos sus eventos, desde el primero.",
    "Names the execution from now on, for everybody who may watch it.": "Nombra la ejecución desde"
    " ahora, para todo el que pueda observarla.",
    "What to repeat the request with, should it have to be.": "Con qué repetir la solicitud, si"
    " hubiera que hacerlo.",
    "1: of the event that says so.": "1: el del evento que lo dice.",
    "What v1 says, and more.": "Lo que dice v1, y más.",
    "True.": "Verdadero.",
    "For people.": "Para personas.",
    "`started`": "`started`",
    "Whether the key was known: this is the execution that was accepted under it then.": "Si la"
    " clave ya se conocía: esta es la ejecución que se aceptó entonces con ella.",
    "One event of an execution's journal; the same bytes for everyone.": "Un evento del registro"
    " de una ejecución; los mismos bytes para todos.",
    "Whose event.": "De quién es el evento.",
    "1, 2, 3, … without a gap.": "1, 2, 3, … sin huecos.",
    "When it was written, by the server's clock.": "Cuándo se escribió, según el reloj del"
    " servidor.",
    "Its kind. Clients ignore kinds that they do not know.": "Su clase. Los clientes pasan por"
    " alto las que no conocen.",
    "What is told, by its kind.": "Lo que cuenta, según su clase.",
    "The last event of an execution.": "El último evento de una ejecución.",
    "That of the event `completed`, which this stands for.": "El del evento `completed`, al que"
    " representa.",
    "Whether the outcome is `succeeded`.": "Si el desenlace es `succeeded`.",
    "One item per action, in the order in which they ended.": "Un elemento por acción, en el orden"
    " en que terminaron.",
    "The contract function, or the name a runner gave its action.": "La función del contrato, o el"
    " nombre que el ejecutor dio a su acción.",
    "The values it was called with, defaults filled in.": "Los valores con que se llamó, con los"
    " predeterminados incluidos.",
    "What it returned; a transaction's hash; null where it failed.": "Lo que devolvió; el hash de"
    " una transacción; null si falló.",
    "Whether it did what it should.": "Si hizo lo que debía.",
    "Why it was chosen, where anybody said so.": "Por qué se eligió, si alguien lo dijo.",
    "Where it failed, for people.": "Si falló, para personas.",
    "`0x…`, where it sent a transaction.": "`0x…`, si envió una transacción.",
    "Block of the receipt, or at which a read was answered.": "Bloque del recibo, o en el que se"
    " respondió una lectura.",
    "Gas its transaction used.": "Gas que usó su transacción.",
    "Why it did not succeed and what had been done by then, for people.": "Por qué no tuvo éxito y"
    " qué se había hecho hasta entonces, para personas.",
    "How many results.": "Cuántos resultados.",
    "Says that nothing was done, where nothing was.": "Dice que no se hizo nada, si fue así.",
    "`completed`": "`completed`",
    "How it really ended.": "Cómo terminó de verdad.",
    "Why it did not succeed; null: it did.": "Por qué no tuvo éxito; null: lo tuvo.",
    "See the list of codes.": "Véase la lista de códigos.",
    "In English, for developers; `error` beside it is for people.": "En inglés, para"
    " desarrolladores; `error`, a su lado, es para personas.",
    "Whether the same request may succeed later without anybody changing anything.": "Si la misma"
    " solicitud puede tener éxito más tarde sin que nadie cambie nada.",
    "What programs may use, by the code.": "Lo que pueden usar los programas, según el código.",
    "Where its effects stand; what becomes of them is told by `effect_event`.": "Cómo están sus"
    " efectos; lo que sea de ellos lo cuenta `effect_event`.",
    "In a block, as deep as was asked for, and it succeeded; not final yet.": "En un bloque, tan"
    " profundo como se pidió, y con éxito; todavía no es definitivo.",
    "In a final block, and it succeeded: it happened.": "En un bloque definitivo y con éxito:"
    " ocurrió.",
    "In a block, and the contract refused.": "En un bloque, y el contrato se negó.",
    "Signed, and in no block yet.": "Firmado, y todavía en ningún bloque.",
    "Its nonce was used by something else: it did not happen, and will not.": "Otra cosa usó su"
    " nonce: no ocurrió ni ocurrirá.",
    "Its nonce was used, and nobody can see by what: it may have happened.": "Su nonce se usó y"
    " nadie puede ver en qué: pudo ocurrir.",
    "Every event behind `from_seq` follows.": "Llegan todos los eventos posteriores a `from_seq`.",
    "The last event so far.": "El último evento hasta ahora.",
    "Whether that is the last one.": "Si ese es el último.",
    "No event of it follows.": "No llega ningún evento más.",
    "Something happened to an effect.": "Algo le pasó a un efecto.",
    "How that execution stands.": "Cómo está esa ejecución.",
    "How it stands.": "Cómo está.",
    "Who asked for it.": "Quién la pidió.",
    "Whether it waits, runs or has ended.": "Si espera, está en marcha o ha terminado.",
    "When it was accepted.": "Cuándo se aceptó.",
    "When it ended; null: not yet.": "Cuándo terminó; null: todavía no.",
    "How it ended; null: not yet.": "Cómo terminó; null: todavía no.",
    "Why it did not succeed; null: it did, or has not ended.": "Por qué no tuvo éxito; null: lo"
    " tuvo, o no ha terminado.",
    "Its last event so far; not in lists.": "Su último evento hasta ahora; no en las listas.",
    "Executions that the principal may watch, newest first.": "Las ejecuciones que la identidad"
    " puede observar, las más nuevas primero.",
    "At most `limit` of them.": "Como máximo `limit`.",
    "What to give as `before` to go on; null: there are no more.": "Lo que hay que dar como"
    " `before` para seguir; null: no hay más.",
    "It was asked; its last event tells what came of it.": "Se ha pedido; su último evento cuenta"
    " en qué quedó.",
    "`requested`: its last event tells whether that came in time. `already_terminal`: it had ended"
    " before. `not_cancellable`: nobody here can end it.": "`requested`: su último evento dice si"
    " llegó a tiempo. `already_terminal`: ya había terminado. `not_cancellable`: nadie puede"
    " terminarla aquí.",
    "Are you there?": "¿Sigues ahí?",
    "The server's time; `pong` repeats it.": "La hora del servidor; `pong` la repite.",
    "This server shuts down: it takes nothing new; connect again, and go on where you were.": "Este"
    " servidor se detiene: no acepta nada nuevo; hay que conectarse otra vez y seguir donde se"
    " estaba.",
    "Seconds until that makes sense.": "Segundos hasta que tenga sentido.",
    "A request is refused, or a frame was none.": "Se rechaza una solicitud, o un mensaje que no"
    " lo era.",
    "Which request; absent: the frame held none that could be told.": "Qué solicitud; ausente: el"
    " mensaje no contenía ninguna reconocible.",
    "Why.": "Por qué.",
    "For programs; see the list of codes.": "Para programas; véase la lista de códigos.",
    "What programs may use.": "Lo que pueden usar los programas.",
    "The execution is accepted; nothing of it has happened yet.": "La ejecución está aceptada;"
    " todavía no ha ocurrido nada.",
    "Names the stored agent and contract, as they were then.": "Nombra el agente y el contrato"
    " guardados, tal como eran entonces.",
    "What the agent was given; null: nothing.": "Lo que se dio al agente; null: nada.",
    "When it must end.": "Cuándo debe terminar.",
    "A process of the server began to run it.": "Un proceso del servidor empezó a ejecutarla.",
    "Names that process.": "Nombra ese proceso.",
    "Another process goes on where the journal stands.": "Otro proceso sigue donde quedó el"
    " registro.",
    "Names the one before, which is gone.": "Nombra el anterior, que ya no existe.",
    "What was decided, before anything is done with it; a runner of its own may add keys.": "Lo"
    " que se decidió, antes de hacer nada; un ejecutor propio puede añadir claves.",
    "How often a decision was asked for, this time included.": "Cuántas veces se pidió una"
    " decisión, contando esta.",
    "What is to be done, in this order; by the runner `cycle`, a list of `{function, parameters,"
    " value_wei, name, message}`.": "Lo que hay que hacer, en este orden; con el ejecutor `cycle`,"
    " una lista de `{function, parameters, value_wei, name, message}`.",
    "Whether nothing more is to be decided after these.": "Si después de estas no queda nada por"
    " decidir.",
    "An action begins.": "Empieza una acción.",
    "The decision that it belongs to; 0: none.": "La decisión a la que pertenece; 0: a ninguna.",
    "Its number within the execution.": "Su número dentro de la ejecución.",
    "The values it is called with, defaults filled in.": "Los valores con que se llama, con los"
    " predeterminados incluidos.",
    "Whether it must not happen twice, and cannot be watched: where the process ends inside it,"
    " the execution ends as `in_doubt`.": "Si no debe ocurrir dos veces y no se puede observar: si"
    " el proceso acaba durante ella, la ejecución termina como `in_doubt`.",
    "A transaction is signed and committed, and about to be sent.": "Una transacción está firmada"
    " y registrada, y a punto de enviarse.",
    "Names the effect; `subscribe` to it tells what becomes of it.": "Nombra el efecto; con"
    " `subscribe` se sabe lo que es de él.",
    "The action that it belongs to.": "La acción a la que pertenece.",
    "EIP-155 chain id.": "Identificador de cadena EIP-155.",
    "`0x…`: the account that signs.": "`0x…`: la cuenta que firma.",
    "The account's, for this transaction.": "El de la cuenta, para esta transacción.",
    "`0x…`; a better offer made later has another one.": "`0x…`; una oferta mejor posterior tiene"
    " otro.",
    "An action ended, well or not.": "Terminó una acción, bien o mal.",
    "The action's own name, if it had one.": "El nombre propio de la acción, si lo tenía.",
    "Why it failed; absent: it did not.": "Por qué falló; ausente: no falló.",
    "In English, for developers.": "En inglés, para desarrolladores.",
    "Whatever the runner tells, an object.": "Lo que el ejecutor cuente, un objeto.",
    "Somebody asked for the end.": "Alguien pidió el final.",
    "Who.": "Quién.",
    "Why, where it was said.": "Por qué, si se dijo.",
    "The end, exactly once. On the wire `execution_response` stands for it.": "El final,"
    " exactamente una vez. En la conexión lo representa `execution_response`.",
    "How many actions were decided on.": "Cuántas acciones se decidieron.",
    "Where its effects stand.": "Cómo están sus efectos.",
}
"""What the words of the classes mean, by the English ones."""
