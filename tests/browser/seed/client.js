// Conectar al servidor WebSocket
const ws = new WebSocket('ws://localhost:8765');

// Manejar eventos de conexión
ws.onopen = () => {
  console.log('Conectado al servidor');
  
  // Solicitar ejecución de un agente
  const message = {
    type: 'execute',
    agent_id: '8191feef-546d-46a8-a26f-b92073882f5c'
  };
  
  ws.send(JSON.stringify(message));
};

// Recibir mensajes del servidor
ws.onmessage = (event) => {
  const response = JSON.parse(event.data);
  console.log('Respuesta recibida:', response);
  
  // Manejar diferentes estados de la respuesta
  if (response.type === 'execution_response') {
    const data = response.data || {};
    
    if (data.status === 'started') {
      // La ejecución ha comenzado
      console.log('Ejecución iniciada, esperando resultados...');
    } 
    else if (data.status === 'completed') {
      // La ejecución ha finalizado
      if (data.success) {
        console.log(`Ejecución completada: ${data.execution_count} acciones ejecutadas`);
        // Procesar resultados
        if (data.results && data.results.length > 0) {
          data.results.forEach((result, i) => {
            console.log(`Resultado ${i+1}:`, result);
          });
        }
      } else {
        console.error('Error en la ejecución:', data.error);
      }
    }
  } else if (response.type === 'error') {
    console.error('Error:', response.data?.message || 'Error desconocido');
  }
};

// Manejar errores y cierre de conexión
ws.onerror = (error) => {
  console.error('Error de WebSocket:', error);
};

ws.onclose = (event) => {
  console.log('Conexión cerrada:', event.code, event.reason);
};
